"""Reads the YAML of SD-JWT specifications (sd-jwt-python): its tag `!sd` marks what may be hidden.

Block and flow mappings and sequences, quoted, plain and folded scalars, comments: as much of YAML 1.1 as
these files use. No anchors, aliases, documents or other tags.
"""

from __future__ import annotations

import json
import re
from typing import Any

from salus.standards.sdjwt.issuing import Hidden

_TAG = "!sd"
_QUOTED = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^']|'')*'"
_PLAIN = r"""[^\s"'\[\]{},#:!](?:[^#:]|:(?=\S)|(?<=\S)#)*?"""
_KEY = re.compile(rf"(!sd\s+)?({_QUOTED}|{_PLAIN})\s*:(?=\s|$)")
_WORDS = {"null": None, "~": None, "": None, "true": True, "false": False}


class _Line:
    """A line: how far it is indented, and its text without a comment."""

    def __init__(self, raw: str) -> None:
        self.text = _uncommented(raw).strip()
        self.indent = len(raw) - len(raw.lstrip())


def read_yaml(text: str) -> Any:
    """Return the document, what is tagged as `Hidden`.

    Raises:
        ValueError: it uses what is not read here.
    """
    lines = [line for line in map(_Line, text.splitlines()) if line.text]
    reader = _Reader(lines)
    found = reader.block(lines[0].indent) if lines else None
    if reader.place < len(lines):
        raise ValueError(f"cannot read: {lines[reader.place].text[:60]}")
    return found


def _uncommented(raw: str) -> str:
    quote = ""
    for place, char in enumerate(raw):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and (place == 0 or raw[place - 1] in " [{,:"):
            quote = char
        elif char == "#" and (place == 0 or raw[place - 1].isspace()):
            return raw[:place]
    return raw


class _Reader:
    def __init__(self, lines: list[_Line]) -> None:
        self.lines = lines
        self.place = 0

    def more(self, indent: int) -> bool:
        return self.place < len(self.lines) and self.lines[self.place].indent >= indent

    def block(self, indent: int) -> Any:
        """Return what begins at the present line, indented by `indent`."""
        text = self.lines[self.place].text
        if text == "-" or text.startswith("- "):
            return self.sequence(indent)
        if text[0] not in "[{" and _KEY.match(text):
            return self.mapping(indent)
        return self.inline(self.taken(), indent)

    def taken(self) -> str:
        self.place += 1
        return self.lines[self.place - 1].text

    def mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.more(indent) and self.lines[self.place].indent == indent:
            text = self.lines[self.place].text
            key = _KEY.match(text)
            if key is None:
                raise ValueError(f"no member of a mapping: {text[:60]}")
            self.place += 1
            content = self.after(text[key.end() :].strip(), indent, in_mapping=True)
            found[str(_scalar(key[2], as_text=True))] = Hidden(content) if key[1] else content
        return found

    def sequence(self, indent: int) -> list[Any]:
        found = []
        while self.more(indent) and self.lines[self.place].indent == indent:
            line = self.lines[self.place]
            if not (line.text == "-" or line.text.startswith("- ")):
                break
            rest = line.text[1:].strip()
            if rest[:1] not in ("[", "{") and (_KEY.match(rest) or rest.startswith("- ")):
                # "- a: 1" begins a mapping in which the next members stand below the "a".
                line.indent += len(line.text) - len(rest)
                line.text = rest
                found.append(self.block(line.indent))
            else:
                self.place += 1
                found.append(self.after(rest, indent, in_mapping=False))
        return found

    def after(self, rest: str, indent: int, *, in_mapping: bool) -> Any:
        """Return the value after a key or dash: the rest of its line, or what is below it."""
        if rest == _TAG or rest.startswith(_TAG + " "):
            return Hidden(self.after(rest[len(_TAG) :].strip(), indent, in_mapping=in_mapping))
        if rest:
            return self.inline(rest, indent)
        if self.more(indent + 1):
            return self.block(self.lines[self.place].indent)
        # A sequence may stand at the indentation of its key.
        if in_mapping and self.more(indent) and self.lines[self.place].text.startswith("-"):
            return self.sequence(indent)
        return None

    def inline(self, text: str, indent: int) -> Any:
        if text in (">", ">-", "|", "|-"):
            joined = "\n" if text[0] == "|" else " "
            return joined.join(self.continued(indent))
        if text[0] in "[{":
            while not _is_balanced(text) and self.place < len(self.lines):
                text += " " + self.taken()
            found, rest = _flow(text)
            if rest.strip():
                raise ValueError(f"after a flow collection: {rest[:60]}")
            return found
        if text[0] not in "\"'":
            text = " ".join([text, *self.continued(indent)])
        return _scalar(text)

    def continued(self, indent: int) -> list[str]:
        found = []
        while self.more(indent + 1):
            found.append(self.taken())
        return found


def _is_balanced(text: str) -> bool:
    outside = re.sub(_QUOTED, "", text)
    return all(outside.count(a) == outside.count(b) for a, b in ("[]", "{}"))


def _flow(text: str) -> tuple[Any, str]:
    """Return the flow value at the beginning of the text, and the text after it."""
    text = text.lstrip()
    if text.startswith(_TAG):
        found, rest = _flow(text[len(_TAG) :])
        return Hidden(found), rest
    if text[:1] == "[":
        elements: list[Any] = []
        rest = text[1:].lstrip()
        while not rest.startswith("]"):
            found, rest = _flow(rest)
            elements.append(found)
            rest = rest.lstrip().removeprefix(",").lstrip()
        return elements, rest[1:]
    if text[:1] == "{":
        members: dict[str, Any] = {}
        rest = text[1:].lstrip()
        while not rest.startswith("}"):
            key = _KEY.match(rest)
            if key is None:
                raise ValueError(f"no member of a flow mapping: {rest[:60]}")
            found, rest = _flow(rest[key.end() :])
            members[str(_scalar(key[2], as_text=True))] = Hidden(found) if key[1] else found
            rest = rest.lstrip().removeprefix(",").lstrip()
        return members, rest[1:]
    read = re.match(rf"{_QUOTED}|[^\[\]{{}},]+", text)
    if read is None:
        raise ValueError(f"no flow value: {text[:60]}")
    return _scalar(read[0].strip()), text[read.end() :]


def _scalar(text: str, *, as_text: bool = False) -> Any:
    if text[:1] == '"':
        return json.loads(text)
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    if as_text:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(r"[-+]?[0-9]+", text) and not re.match(r"[-+]?0[0-9]", text):
        return int(text)
    return float(text) if re.fullmatch(r"[-+]?[0-9]+\.[0-9]+", text) else text
