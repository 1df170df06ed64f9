"""What is shown of a file beside an issue."""

from __future__ import annotations

import pytest

from salus.standards.fhir.checking.excerpt import SHOWN_MAX, Excerpts

LONG = b"{" + b"a" * 300 + b"X" + b"b" * 300 + b"}"


@pytest.mark.parametrize(
    ("body", "line", "column", "shown"),
    [
        (b"{\n  x\n}", 2, 3, "x"),
        (b"{}", 9, 1, ""),
        (b"", 1, 0, ""),
        (b"a\xffb", 1, 1, "a\ufffdb"),
        ("a\u202eb".encode(), 1, 1, "a\\u202eb"),
        (LONG, 1, 302, "…" + "a" * 24 + "X" + "b" * (SHOWN_MAX - 25) + "…"),
        (LONG, 1, 0, "{" + "a" * (SHOWN_MAX - 1) + "…"),
    ],
)
def test_the_text_around_a_place(body, line, column, shown):
    assert Excerpts(body).at(line, column) == shown
