"""Tables of text by a mapping: each row a unit, with the header, so that it says by itself what it means.

It defines no `FORMAT`: without a mapping nothing says what a table's columns are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from salus.core.errors import MalformedContent, NotFound
from salus.core.limits import Limits
from salus.intake.formats.format import Translated, Unit
from salus.standards.tabular.conversion import header_problem, to_fhir
from salus.standards.tabular.mapping import TableMapping, read_mapping
from salus.standards.tabular.reading import records

MEDIA = "table"
MEDIA_TYPE = "text/csv"
SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
MAPPING_BYTES_MAX = 1 << 20


def mapping_in(path: Path) -> TableMapping:
    """Return the mapping of a file.

    Raises:
        NotFound: it cannot be opened.
        SettingsInvalid: it is wrong; the message says where.
    """
    try:
        with path.open("rb") as file:
            body = file.read(MAPPING_BYTES_MAX)
    except OSError as error:
        raise NotFound(f"{path} cannot be opened: {error.strerror or error}.") from error
    return read_mapping(body, str(path))


def read(stream: BinaryIO, limits: Limits, mapping: TableMapping) -> Iterator[Unit]:
    """Yield each row as a unit; a table that the mapping does not fit is one unit with a problem."""
    header: bytes | None = None
    number = 0
    try:
        for record in records(stream, bytes_max=limits.resource_bytes_max):
            if header is None:
                header = record.content
                if problem := record.problem or header_problem(header, mapping):
                    yield Unit(0, record.line, header, media=MEDIA, problem=problem)
                    return
                continue
            content = header + b"\n" + record.content
            problem = f"Line {record.line}: {record.problem}" if record.problem else ""
            yield Unit(number, record.line, content, media=MEDIA, problem=problem)
            number += 1
    except MalformedContent as error:
        yield Unit(0, 1, b"", media=MEDIA, problem=error.message)
        return
    if header is None:
        yield Unit(0, 1, b"", media=MEDIA, problem="The table is empty: its first row names the columns.")


def translate(body: bytes, mapping: TableMapping, *, line: int) -> Translated:
    """Return a row in FHIR."""
    made = to_fhir(body, mapping, line=line)
    return Translated(made.bundle, made.header, made.quality)
