"""Where in a text an element stands: line and column of a FHIRPath expression, in JSON or XML.

Only used when there is something to report; a second, slower reading of a text that was read before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lxml import etree

from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.fhir.codec.xml import read_tree

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_CHOICE = re.compile(r"([A-Za-z]+)\.ofType\(([a-z])?([A-Za-z]*)\)")


def plain_path(expression: str) -> str:
    """Return an expression with the keys of JSON: "valueQuantity" for value.ofType(Quantity)."""
    return _CHOICE.sub(lambda found: found[1] + (found[2] or "").upper() + found[3], expression)


Place = tuple[int, int]
"""Line and column, both from 1; column 0 where it is not known, as in XML."""


class Lines:
    """The lines of a text's elements.

    Args:
        found: place by path.
        is_xml: whether the first of several has no index in those paths, as XML does not tell one from many.
    """

    def __init__(self, found: Mapping[str, Place], *, is_xml: bool = False) -> None:
        self._found = found
        self._is_xml = is_xml

    def line(self, expression: str) -> int:
        """Return the line of an element, or of the nearest one around it that is there; the first is 1."""
        return self.place(expression)[0]

    def place(self, expression: str) -> Place:
        """Return line and column of an element, or of the nearest one around it that is there."""
        path = plain_path(expression)
        if self._is_xml:
            path = path.replace("[0]", "")
        while path:
            place = self._found.get(path)
            if place is not None:
                return place
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return 1, 0


def lines_of(body: bytes, limits: Limits) -> Lines:
    """Return the lines of a resource's elements; of a text that cannot be read, only the first."""
    if body.lstrip()[:1] == b"<":
        return Lines(_of_xml(body, limits), is_xml=True)
    return Lines(_of_json(body.decode("utf-8", errors="replace")))


def _of_json(text: str) -> dict[str, Place]:
    """Return the place of every key and item by its path, the resource's type as first step."""
    found: dict[str, Place] = {}
    root = re.search(r'"resourceType"\s*:\s*"([A-Za-z]+)"', text)
    path = [root[1] if root else "Resource"]
    stack: list[int] = []
    key = ""
    line, position, begins = 1, 0, 0
    is_value = True
    for token in _TOKEN.finditer(text):
        lines = text.count("\n", position, token.start())
        if lines:
            line += lines
            begins = text.rfind("\n", position, token.start()) + 1
        position = token.start()
        word = token[0]
        if word == ":":
            is_value = True
        elif word == ",":
            is_value = bool(stack) and stack[-1] >= 0
            if is_value:
                stack[-1] += 1
        elif word in "}]":
            stack.pop() if stack else None
            path.pop() if len(path) > 1 else None
            is_value = False
        elif not is_value:
            key = word[1:-1]
            if stack and stack[-1] < 0:
                found.setdefault(f"{path[-1]}.{key.removeprefix('_')}", (line, position - begins + 1))
        else:
            place = _place(path, stack, key)
            found.setdefault(place, (line, position - begins + 1))
            if word in "{[":
                path.append(place)
                stack.append(-1 if word == "{" else 0)
            is_value = word == "["
    return found


def _place(path: list[str], stack: list[int], key: str) -> str:
    if not stack:
        return path[-1]
    return f"{path[-1]}.{key.removeprefix('_')}" if stack[-1] < 0 else f"{path[-1]}[{stack[-1]}]"


def _of_xml(body: bytes, limits: Limits) -> dict[str, Place]:
    try:
        root = read_tree(body, limits)
    except SalusError:
        return {}
    found: dict[str, Place] = {}
    level = [(root, etree.QName(root).localname)]
    while level:
        below = []
        for element, path in level:
            found.setdefault(path, (int(element.sourceline or 1), 0))
            counts: dict[str, int] = {}
            for child in element.iterchildren("{http://hl7.org/fhir}*"):
                name = etree.QName(child).localname
                index = counts.get(name, 0)
                counts[name] = index + 1
                inner = path if name[:1].isupper() else f"{path}.{name}"
                below.append((child, f"{inner}[{index}]" if index else inner))
        level = below
    return found
