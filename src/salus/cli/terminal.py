"""What the commands print: what others wrote never steers the terminal (`core/plain.py`)."""

from __future__ import annotations

import re
import sys
from typing import TextIO

from salus.core.plain import plain

_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


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
