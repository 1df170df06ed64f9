"""`salus show FILE`: a document as people read it, on the terminal, as an HTML page, or as a PDF."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from salus.cli.checking.reading import read
from salus.cli.command import Command
from salus.cli.terminal import say
from salus.core.errors import MalformedContent
from salus.core.limits import Limits
from salus.primary.reading.document import read_document
from salus.primary.reading.html import page
from salus.primary.reading.pdf import print_pdf
from salus.primary.reading.text import plain_text
from salus.primary.wording.catalogue import ENGLISH, LANGUAGES


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="JSON, XML, or the first line of NDJSON")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write it as a page that needs nothing else")
    parser.add_argument("--pdf", type=Path, metavar="OUT", help="write it as a tagged PDF")
    parser.add_argument(
        "--language", choices=LANGUAGES, default=ENGLISH, help="of the fixed words (default: en)"
    )


def _run(options: argparse.Namespace) -> int:
    limits = Limits()
    given = next(read(options.file, limits), None)
    if given is None or given.resource is None:
        raise MalformedContent(given.fault if given else "The file holds no document.")
    now = datetime.now(UTC)
    reading = read_document(given.resource, options.language, now)
    if options.html:
        options.html.write_text(page(reading), encoding="utf-8")
    if options.pdf:
        options.pdf.write_bytes(print_pdf(reading, now, limits))
    if not (options.html or options.pdf):
        say(*plain_text(reading).splitlines())
    return 0


COMMAND = Command("show", "Show a FHIR document as people read it: text, HTML or PDF.", _arguments, _run)
