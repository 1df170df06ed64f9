"""Texts of others made plain: what they wrote (names, file names, reasons) never steers a terminal or a page.

Shown as escapes: control characters (C0, C1), halves of surrogate pairs, and marks that turn the direction of
writing, by which a name can look like another one.
"""

from __future__ import annotations

import re
from typing import Any

_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: object) -> str:
    r"""Return the text in one line, each steering character as \xNN or \uNNNN."""
    return _STEERING.sub(_escaped, str(text))


def _escaped(found: re.Match[Any]) -> str:  # Any: of text
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
