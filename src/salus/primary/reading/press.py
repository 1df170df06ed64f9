"""The process that prints one document: JSON on standard input becomes a PDF on standard output, and it ends.

It is run by its path, without this package, with no environment and little leave: it may write no file, open
few, and take so much time and memory. The template is ours and read beforehand; what a document says is data
to it (`json`), never code. Typst's own root is an empty folder, so that no file could be named.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from pathlib import Path

import typst

MEMORY_BYTES_MAX = 3 * 1024**3
"""Of addresses, not of memory in use: the compiler's threads reserve much."""
FILES_MAX = 64
STANDARD = "ua-1"
"""PDF/UA-1 (ISO 14289-1): tagged, with a title, a language, and an order to read in."""


def main() -> None:
    """Print what stands on standard input: `reading` (JSON), `at` (Unix time), `seconds` it may take."""
    given = json.load(sys.stdin.buffer)
    template = Path(__file__).with_name("templates").joinpath("reading.typ").read_bytes()
    with tempfile.TemporaryDirectory() as empty:
        _bound(int(given["seconds"]))
        printed = typst.compile(  # type: ignore[call-overload]  # its types want a root of bytes
            template,
            root=empty,
            package_path=f"{empty}/none",
            package_cache_path=f"{empty}/none",
            ignore_system_fonts=True,
            format="pdf",
            sys_inputs={"reading": given["reading"]},
            pdf_standards=STANDARD,
            timestamp=int(given["at"]),
        )
        sys.stdout.buffer.write(printed)


def _bound(seconds: int) -> None:
    """Take leave away from this process: for good, and for whatever the compiler does."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
