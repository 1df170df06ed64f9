"""`salus convert FILE`: another standard in FHIR, or a FHIR summary as CDA; and what became of it."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import msgspec

from salus.cli.command import Command
from salus.cli.terminal import say, say_json
from salus.core.errors import MalformedContent, NotFound, SalusError, TooLarge, UnsupportedMedia
from salus.core.limits import Limits
from salus.core.plain import plain
from salus.core.quality import Line, Quality, together
from salus.intake.formats import table
from salus.intake.formats.format import Translated
from salus.intake.formats.registry import translating
from salus.intake.translation import translate
from salus.standards.cda.writing.document import to_cda
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.codec.xml import parse_xml
from salus.standards.tabular.mapping import TableMapping

LOST = 2
"""Exit code: something was dropped (with --report)."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a CDA document, HL7 v2 messages, a table (with --mapping), or a FHIR patient summary",
    )
    parser.add_argument(
        "--to",
        choices=("fhir", "cda"),
        default="fhir",
        help="fhir: a Bundle in JSON (default); cda: a MyHealth@EU patient summary in XML",
    )
    parser.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE",
        help="FILE is a table (CSV, TSV); this TOML file is its mapping",
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
    if options.to == "cda":
        result, quality = _to_cda(body)
    else:
        mapping = None if options.mapping is None else table.mapping_in(options.mapping)
        result, quality = _to_fhir(body, mapping)
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


def _to_fhir(body: bytes, mapping: TableMapping | None) -> tuple[bytes, Quality]:
    """Return the whole file in FHIR: one document as it is, of several messages or rows a collection."""
    if mapping is not None:
        units = table.read(io.BytesIO(body), Limits(), mapping)
    elif (found := translating(body)) is not None:
        units = found.read(io.BytesIO(body), Limits())
    else:
        raise UnsupportedMedia(
            "The file is of no standard that is brought into FHIR: CDA and HL7 v2 are, and tables (CSV) with "
            "--mapping FILE (docs/formats.md)."
        )
    made: list[Translated] = []
    refused: list[str] = []
    for unit in units:
        try:
            if unit.problem:
                raise MalformedContent(unit.problem)
            made.append(translate(unit.media, unit.content, Limits(), mapping, line=unit.line)[0])
        except SalusError as error:
            refused.append(error.message)
    if refused:
        more = f" So are {len(refused) - 1:,} more pieces of the file." if len(refused) > 1 else ""
        raise MalformedContent(f"{refused[0]}{more}")
    if len(made) == 1:
        return write_json(made[0].bundle) + b"\n", made[0].quality
    entries = {entry["fullUrl"]: entry for one in made for entry in one.bundle["entry"]}  # alike: once
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [*entries.values()]}
    source = made[0].quality.source if mapping is not None else f"{len(made):,} pieces"
    return write_json(bundle) + b"\n", together(source, tuple(one.quality for one in made))


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
