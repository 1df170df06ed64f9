"""Strings (FHIRPath N1, section 5.6, and the additional functions of 2.0)."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable
from typing import Any

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath import patterns
from salus.standards.fhir.fhirpath.environment import Context, bounded_string, check_length, single
from salus.standards.fhir.fhirpath.functions.function import Function
from salus.standards.fhir.fhirpath.functions.subsetting import whole_number
from salus.standards.fhir.fhirpath.values import Collection, Node, system_type, system_value

_REPLACED_GROUP = re.compile(r"\$\{?(\w+)\}?|\\(.)", re.ASCII | re.DOTALL)
_JSON_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f", "\b": "\\b"}
_BY_CHARACTER = frozenset({"escape", "unescape"})
_JSON_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)


def string(items: Collection, what: str) -> str | None:
    """Return the one string of a collection, None of an empty one.

    Raises:
        InvalidExpression: there are several items, or the item is no string.
    """
    item = single(items, what)
    if isinstance(item, Node) and isinstance(item.value, str):
        return item.value
    value = system_value(item)
    if value is None or isinstance(value, str):
        return value
    raise InvalidExpression(f"{what} takes a string, not {system_type(value) or 'an element'}")


def _on_strings(name: str, run: Callable[..., Any]) -> Callable[..., Collection]:
    """Lift a function of strings to collections; any empty one gives the empty collection."""
    each = 10 if name in _BY_CHARACTER else 1_000

    def lifted(context: Context, items: Collection, *arguments: Collection) -> Collection:
        sides = (string(side, f"{name}()") for side in (items, *arguments))
        values = [value for value in sides if value is not None]
        if len(values) <= len(arguments):
            return []
        context.budget.spend(sum(map(len, values)) // each)
        answer = run(*values)
        if isinstance(answer, list):
            return context.bounded(answer)
        return [] if answer is None else [answer]

    return lifted


def _substring(
    context: Context, items: Collection, start: Collection, length: Collection | None = None
) -> Collection:
    text, at = string(items, "substring()"), whole_number(start, "substring()")
    if text is None or at is None or not 0 <= at < len(text):
        return []
    count = None if length is None else whole_number(length, "substring()")
    return [text[at:] if count is None else text[at : at + max(0, count)]]


def _replace(text: str, pattern: str, substitution: str) -> str:
    count = text.count(pattern) if pattern else len(text) + 1
    check_length(len(text) + count * (len(substitution) - len(pattern)))
    return text.replace(pattern, substitution)


def _expanded(match: re.Match[str], substitution: str) -> str:
    def group(reference: re.Match[str]) -> str:
        if reference[2]:
            return reference[2]
        name = reference[1]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError as error:
            raise InvalidExpression(f"The pattern has no group {name[:20]!r}") from error

    return _REPLACED_GROUP.sub(group, substitution)


def _replace_matches(
    context: Context, items: Collection, pattern: Collection, substitution: Collection
) -> Collection:
    sides = (items, pattern, substitution)
    text, regex, replacement = (string(side, "replaceMatches()") for side in sides)
    if text is None or regex is None or replacement is None:
        return []
    if not regex:
        return [text]
    compiled = patterns.for_replacing(regex, text)
    context.budget.spend(patterns.cost(regex, text))
    parts: list[str] = []
    at = length = 0
    for match in compiled.finditer(text):
        context.budget.spend(1)
        parts += (text[at : match.start()], _expanded(match, replacement))
        at = match.end()
        length += len(parts[-1]) + len(parts[-2])
        check_length(length)
    return [bounded_string("".join(parts) + text[at:])]


def _matching(name: str, *, whole: bool) -> Callable[..., Collection]:
    """Return matches() or matchesFull(); what the match may take counts against the evaluation's limit."""

    def run(context: Context, items: Collection, pattern: Collection) -> Collection:
        text, regex = string(items, name), string(pattern, name)
        if text is None or regex is None:
            return []
        context.budget.spend(patterns.cost(regex, text))
        return [patterns.found(regex, text, whole=whole)]

    return run


def _join(context: Context, items: Collection, separator: Collection | None = None) -> Collection:
    values = [value for value in (string([item], "join()") for item in items) if value is not None]
    between = "" if separator is None else string(separator, "join()") or ""
    return [bounded_string(between.join(values))] if items else []


def _encode(text: str, form: str) -> str | None:
    body = text.encode()
    match form:
        case "base64":
            return base64.b64encode(body).decode()
        case "urlbase64":
            return base64.urlsafe_b64encode(body).decode()
        case "hex":
            return body.hex()
    return None


def _decode(text: str, form: str) -> str | None:
    try:
        match form:
            case "base64":
                return base64.b64decode(text, validate=True).decode()
            case "urlbase64":
                return base64.urlsafe_b64decode(text).decode()
            case "hex":
                return bytes.fromhex(text).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidExpression(f"The text is not {form} of UTF-8") from error
    return None


def _escape(text: str, form: str) -> str | None:
    match form:
        case "html":
            return html.escape(text, quote=True).replace("&#x27;", "&#39;")
        case "json":
            return "".join(_JSON_ESCAPES.get(letter, letter) for letter in text)
    return None


def _unescape(text: str, form: str) -> str | None:
    def plain(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "u" and len(code) == 5:
            return chr(int(code[1:], 16))
        return {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "b": "\b"}.get(code, code)

    match form:
        case "html":
            return html.unescape(text)
        case "json":
            return _JSON_ESCAPE.sub(plain, text)
    return None


def _text(name: str, run: Callable[..., Any], arguments: int, result: str, *, many: bool = False) -> Function:
    return Function(_on_strings(name, run), arguments, arguments, result=result, many=many)


FUNCTIONS = {
    "indexOf": _text("indexOf", lambda text, part: text.find(part), 1, "Integer"),
    "lastIndexOf": _text("lastIndexOf", lambda text, part: text.rfind(part), 1, "Integer"),
    "substring": Function(_substring, 1, 2, result="String"),
    "startsWith": _text("startsWith", str.startswith, 1, "Boolean"),
    "endsWith": _text("endsWith", str.endswith, 1, "Boolean"),
    "contains": _text("contains", lambda text, part: part in text, 1, "Boolean"),
    "upper": _text("upper", str.upper, 0, "String"),
    "lower": _text("lower", str.lower, 0, "String"),
    "replace": _text("replace", _replace, 2, "String"),
    "matches": Function(_matching("matches()", whole=False), 1, 1, result="Boolean"),
    "matchesFull": Function(_matching("matchesFull()", whole=True), 1, 1, result="Boolean"),
    "replaceMatches": Function(_replace_matches, 2, 2, result="String"),
    "length": _text("length", len, 0, "Integer"),
    "toChars": _text("toChars", list, 0, "String", many=True),
    "trim": _text("trim", str.strip, 0, "String"),
    "split": _text(
        "split", lambda text, part: text.split(part) if part else list(text), 1, "String", many=True
    ),
    "join": Function(_join, 0, 1, result="String"),
    "encode": _text("encode", _encode, 1, "String"),
    "decode": _text("decode", _decode, 1, "String"),
    "escape": _text("escape", _escape, 1, "String"),
    "unescape": _text("unescape", _unescape, 1, "String"),
}
