"""The source's own text (`Node`) as the printing template takes it: few kinds of parts, no deep nesting.

A part is a string, or an object with `t`, its kind: "p", "b", "i", "br", "list" (`items`), "table"
(`columns`, `rows` of cells with `span`). What has no kind here is what it holds.
"""

from __future__ import annotations

import re
from typing import Any

from salus.primary.reading.model import Node

Part = str | dict[str, Any]  # a part of the template's input, nested in itself
BOLD = frozenset({"b", "strong", "h4", "h5", "h6", "dt", "th", "caption"})
SLANTED = frozenset({"i", "em", "cite", "dfn", "var"})
PARAGRAPHS = frozenset({"p", "div", "blockquote", "dl", "dt", "dd", "h4", "h5", "h6", "pre"})
DEPTH_MAX = 12
COLUMNS_MAX = 24
_BLANK = re.compile(r"[ \t\r\n\f]+")


def printed_text(node: Node, depth: int = 0) -> list[Part]:
    """Return the parts of a node."""
    if node.tag == "br":
        return [{"t": "br"}]
    if node.tag in ("ul", "ol") and depth < DEPTH_MAX:
        items = [each for each in node.children if isinstance(each, Node)]
        return [
            {"t": "list", "ordered": node.tag == "ol", "items": [_inner(each, depth + 1) for each in items]}
        ]
    if node.tag == "table" and depth < DEPTH_MAX:
        return _table(node, depth + 1)
    parts = _inner(node, depth + 1)
    if node.tag in BOLD and parts:
        parts = [{"t": "b", "c": parts}]
    if node.tag in SLANTED and parts:
        parts = [{"t": "i", "c": parts}]
    return [{"t": "p", "c": parts}] if node.tag in PARAGRAPHS and parts and depth < DEPTH_MAX else parts


def _inner(node: Node, depth: int) -> list[Part]:
    parts: list[Part] = []
    for each in node.children:
        if isinstance(each, str):
            parts += _lines(each) if node.tag == "pre" else [_BLANK.sub(" ", each)] if each.strip() else [" "]
        else:
            parts += printed_text(each, depth)
    return [] if all(isinstance(each, str) and not each.strip() for each in parts) else parts


def _lines(text: str) -> list[Part]:
    parts: list[Part] = []
    for line in text.splitlines():
        parts += [line, {"t": "br"}]
    return parts[:-1]


def _table(node: Node, depth: int) -> list[Part]:
    """Return a table with as many cells in each row; what stands over several rows stands in the first."""
    rows = [[_cell(cell, depth) for cell in row.children if isinstance(cell, Node)] for row in _rows(node)]
    columns = min(max((sum(cell["span"] for cell in row) for row in rows), default=0), COLUMNS_MAX)
    filled = [_filled(row, columns) for row in rows if row]
    named = [each for each in node.children if isinstance(each, Node) and each.tag == "caption"]
    heads: list[Part] = [{"t": "p", "c": printed_text(each, depth)} for each in named]
    return [*heads, {"t": "table", "columns": columns, "rows": filled}] if columns and filled else heads


def _rows(node: Node) -> list[Node]:
    found: list[Node] = []
    for each in node.children:
        if isinstance(each, Node) and each.tag == "tr":
            found.append(each)
        elif isinstance(each, Node) and each.tag in ("thead", "tbody", "tfoot"):
            found += _rows(each)
    return found


def _cell(node: Node, depth: int) -> dict[str, Any]:
    spans = dict(node.attributes).get("colspan", "1")
    span = int(spans) if spans.isdecimal() and len(spans) < 3 else 1
    parts = _inner(node, depth)
    return {
        "span": min(max(span, 1), COLUMNS_MAX),
        "c": [{"t": "b", "c": parts}] if node.tag == "th" else parts,
    }


def _filled(row: list[dict[str, Any]], columns: int) -> list[dict[str, Any]]:
    kept, width = [], 0
    for cell in row:
        if width < columns:
            kept.append({**cell, "span": min(cell["span"], columns - width)})
            width += kept[-1]["span"]
    return [*kept, *({"span": 1, "c": []} for _ in range(columns - width))]
