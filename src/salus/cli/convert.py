"""`salus convert FILE`: another standard in FHIR, or a FHIR summary as CDA; and what became of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from salus.cli.command import Command
from salus.cli.terminal import say, say_json
from salus.core.errors import NotFound, TooLarge, UnsupportedMedia
from salus.core.limits import Limits
from salus.core.plain import plain
from salus.core.quality import Line, Quality
from salus.intake.formats.registry import translating
from salus.standards.cda.writing.document import to_cda
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.codec.xml import parse_xml

LOST = 2
"""Exit code: something was dropped (with --report)."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a CDA document, or a FHIR patient summary")
    parser.add_argument(
        "--to",
        choices=("fhir", "cda"),
        default="fhir",
        help="fhir: a Bundle in JSON (default); cda: a MyHealth@EU patient summary in XML",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there (default: standard output)")
    parser.add_argument(
        "--report",
        action="store_true",
        help="print what became of the source's values, not the result; exit code 2 if some are dropped",
    )
    parser.add_argument("--json", action="store_true", help="with --report: one JSON object")


def _run(options: argparse.Namespace) -> int:
    body = _content(options.file)
    result, quality = _to_cda(body) if options.to == "cda" else _to_fhir(body)
    if not options.report:
        _write(result, options.out)
        return 0
    if options.json:
        say_json(msgspec.json.encode(quality))
    else:
        _say(quality)
    return LOST if quality.dropped else 0


def _write(result: bytes, out: Path | None) -> None:
    if out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(result)
        return
    try:
        out.write_bytes(result)
    except OSError as error:
        raise NotFound(f"{out} cannot be written: {error.strerror or error}.") from error


def _content(path: Path) -> bytes:
    most = Limits().document_bytes_max
    try:
        with path.open("rb") as file:
            body = file.read(most + 1)
    except OSError as error:
        raise NotFound(f"{path} cannot be opened: {error.strerror or error}.") from error
    if len(body) > most:
        raise TooLarge(f"{path} has more than {most} bytes.")
    return body


def _to_fhir(body: bytes) -> tuple[bytes, Quality]:
    found = translating(body)
    if found is None or found.translate is None:
        raise UnsupportedMedia(
            "The file is of no standard that is brought into FHIR: CDA is (docs/formats.md)."
        )
    made = found.translate(body, Limits())
    return write_json(made.bundle) + b"\n", made.quality


def _to_cda(body: bytes) -> tuple[bytes, Quality]:
    limits = msgspec.structs.replace(Limits(), body_bytes_max=Limits().document_bytes_max)
    bundle = parse_xml(body, limits) if body.lstrip()[:1] == b"<" else parse_json(body, limits)
    made = to_cda(bundle)
    return made.body, made.quality


def _say(quality: Quality) -> None:
    say(
        f"{quality.source}: {quality.mapped:,} values mapped, {quality.approximated_count:,} approximated, "
        f"{quality.dropped_count:,} dropped; {quality.absent:,} are absent in the source itself."
    )
    for word, lines in (("approximated", quality.approximated), ("dropped", quality.dropped)):
        for line in lines:
            say(_sentence(word, line))


def _sentence(word: str, line: Line) -> str:
    examples = "".join(f" [{plain(each)}]" for each in line.examples)
    return f"  {word}\t{line.count}\t{line.path}\t{line.reason}{examples}"


COMMAND = Command(
    "convert", "Bring a file of another standard into FHIR, or a FHIR summary into CDA.", _arguments, _run
)
