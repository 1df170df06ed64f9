"""A mapping: which column of a site's table becomes which element of FHIR R4. A TOML file (docs/formats.md).

It is checked as a whole before a row is read: every path is an element of its type, every code list named
is there.
"""

from __future__ import annotations

import codecs
import datetime
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from salus.core.errors import SettingsInvalid
from salus.standards.fhir import model

As = Literal["text", "code", "decimal", "integer", "boolean", "date", "dateTime", "quantity"]
_STEP = re.compile(r"([A-Za-z]+)(?:\[(\d{1,2})\])?")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_MOST_RESOURCES = 20


class Coded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a site's code stands for; `text` is said beside it."""

    code: str
    system: str = ""
    display: str = ""
    text: str = ""


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"as_": "as"}):
    """How a column is read.

    Args:
        column: its name in the header.
        as_: the kind of value.
        format: of a date or dateTime, as strptime has it; "" for ISO 8601.
        codes: name of the code list that its values are in.
        unit: of a quantity, by UCUM.
        unit_column: of a quantity, the column with its unit, which `units` brings to UCUM.
    """

    column: str
    as_: As = "text"
    format: str = ""
    codes: str = ""
    unit: str = ""
    unit_column: str = ""


Takes = Mapping[str, str | Column]
Sets = Mapping[str, str | int | float | bool]


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who a row is about.

    Args:
        column: with the person's number.
        system: of the number.
        create: make a Patient of number and `take`; otherwise who bears the number must be here already.
        take: further elements of the Patient; with them one is made.
    """

    column: str
    system: str
    create: bool = False
    take: Takes = {}


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A resource that a row becomes.

    Args:
        type: of the resource.
        key: columns by which it is known again; without, the whole row, so that a changed one is another.
        needs: columns without which there is none.
        set: elements that are the same in every row.
        take: elements with their columns.
    """

    type: str
    key: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    set: Sets = {}
    take: Takes = {}


class TableMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping as its file says it."""

    name: str
    subject: Subject
    resource: tuple[Made, ...]
    delimiter: Literal[",", ";", "\t", "|"] = ","
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    zone: str = ""
    missing: tuple[str, ...] = ()
    ignore: Mapping[str, str] = {}
    codes: Mapping[str, Mapping[str, str | Coded]] = {}
    units: Mapping[str, str] = {}


def read_mapping(body: bytes, file: str) -> TableMapping:
    """Return a mapping that was checked.

    Args:
        body: TOML.
        file: its name, for errors.

    Raises:
        SettingsInvalid: naming the file, the place and what is allowed there.
    """
    try:
        found = msgspec.toml.decode(body, type=TableMapping)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{file}: {error}") from error
    for problem in _problems(found):
        raise SettingsInvalid(f"{file}: {problem}")
    return found


def _problems(mapping: TableMapping) -> Iterator[str]:
    try:
        codecs.lookup(mapping.encoding)
    except LookupError:
        yield f'encoding = "{mapping.encoding}" is not known; name utf-8, windows-1252 or iso-8859-1.'
    if mapping.zone and zone_of(mapping.zone) is None:
        yield f'zone = "{mapping.zone}" is none; name one as Europe/Lisbon or +01:00.'
    if not mapping.resource or len(mapping.resource) > _MOST_RESOURCES:
        yield f"A row becomes 1 to {_MOST_RESOURCES} resources: [[resource]]."
    yield from _wrong(mapping, "Patient", "[subject.take]", mapping.subject.take)
    for number, made in enumerate(mapping.resource, 1):
        where = f"resource {number} ({made.type})"
        if made.type not in model.resource_types() or made.type in ("Bundle", "Patient"):
            yield f"{where}: the type must be a resource type of R4; a Patient is made by [subject]."
            continue
        if about(made.type) == "":
            yield f"{where}: it is about no patient: it has neither subject nor patient."
        yield from _wrong(mapping, made.type, where, {**made.set, **made.take})


def _wrong(mapping: TableMapping, kind: str, where: str, paths: Mapping[str, object]) -> Iterator[str]:
    for path, take in paths.items():
        leaf = type_at(kind, path)
        if leaf is None:
            yield f'{where}: "{path}" is no element of {kind} in R4 (a choice has its type: valueQuantity).'
        elif isinstance(take, Column):
            if take.codes and take.codes not in mapping.codes:
                yield f'{where}: "{path}" names a code list that is not there: [codes.{take.codes}].'
            if take.as_ == "quantity" and leaf not in ("Quantity", "Age", "Duration"):
                yield f'{where}: "{path}" is no quantity.'
            if take.as_ == "code" and leaf not in ("CodeableConcept", "Coding", "code", "string", "uri"):
                yield f'{where}: "{path}" is not coded.'


def type_at(kind: str, path: str) -> str | None:
    """Return the type of the element at a path, None where there is none."""
    for step in path.split("."):
        found = _STEP.fullmatch(step)
        known = model.properties(kind).get(found[1]) if found and model.type_definition(kind) else None
        if known is None or (found and found[2] and known.element.max is not None):
            return None
        kind = known.type.code
    return kind


def steps(kind: str, path: str) -> Iterator[tuple[str, int | None]]:
    """Yield the keys of a path that is one, each with its place in a list, None where it is no list."""
    for step in path.split("."):
        found = _STEP.fullmatch(step)
        assert found is not None
        known = model.properties(kind)[found[1]]
        yield found[1], None if known.element.max is not None else int(found[2] or 0)
        kind = known.type.code


def about(kind: str) -> str:
    """Return the element of a type that says which patient it is about, "" for none."""
    known = model.properties(kind)
    return next((name for name in ("subject", "patient", "beneficiary") if name in known), "")


def zone_of(name: str) -> datetime.tzinfo | None:
    """Return a time zone by its name or offset, None for what is none."""
    if found := _OFFSET.fullmatch(name):
        delta = datetime.timedelta(hours=int(found[2]), minutes=int(found[3]))
        return datetime.timezone(-delta if found[1] == "-" else delta) if delta.days < 1 else None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def columns_of(mapping: TableMapping) -> frozenset[str]:
    """Return the columns that a table must have."""
    takes = [mapping.subject.take, *(made.take for made in mapping.resource)]
    found = {mapping.subject.column}
    for take in (one for each in takes for one in each.values()):
        found.add(take if isinstance(take, str) else take.column)
        if isinstance(take, Column) and take.unit_column:
            found.add(take.unit_column)
    for made in mapping.resource:
        found |= {*made.key, *made.needs}
    return frozenset(found)
