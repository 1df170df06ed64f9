"""What the commands print: what others wrote (names, file names, reasons) never steers the terminal.

Shown as escapes: control characters (C0, C1), halves of surrogate pairs, and marks that turn the direction of
writing, by which a name can look like another one.
"""

from __future__ import annotations

import re
import sys
from typing import Any, TextIO

_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: object) -> str:
    r"""Return the text in one line, each steering character as \xNN or \uNNNN."""
    return _STEERING.sub(_escaped, str(text))


def say(*lines: object, file: TextIO | None = None, flush: bool = False) -> None:
    """Print each of the lines, made plain but for tabs, on standard output or the file."""
    for line in lines:
        print("\t".join(map(plain, str(line).split("\t"))), file=file or sys.stdout, flush=flush)


def say_json(body: bytes) -> None:
    r"""Print JSON that was encoded without raw C0 characters; what else may steer is written as \uNNNN."""
    print(_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", body.decode()))


def shown(content: bytes) -> str:
    """Return content as received, line by line, for reading; bytes that are no UTF-8 as escapes."""
    text = content.decode("utf-8", errors="backslashreplace")
    return "\n".join(plain(line.expandtabs(4)) for line in text.split("\n"))


def _escaped(found: re.Match[Any]) -> str:  # Any: of text
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
