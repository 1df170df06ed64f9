"""A row of a table in FHIR R4, by the site's mapping, with an account of every cell."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from salus.core.errors import MalformedContent
from salus.core.quality import Account, Quality
from salus.standards.tabular.mapping import Column, Made, TableMapping, about, columns_of, steps, type_at
from salus.standards.tabular.reading import fields, records
from salus.standards.tabular.values import number_of_person, plain_text, value

NAMESPACE = uuid.UUID("8f4fa2a5-2f5c-5f0b-a0a6-8d7c2d0c9c55")
_HISTORY = {"coding": [{"system": "http://loinc.org", "code": "11503-0", "display": "Medical records"}]}

Json = dict[str, Any]  # FHIR content is open JSON


class Row(msgspec.Struct, frozen=True):
    """A row in FHIR: a collection of its resources, a Composition that describes it, an account."""

    bundle: Json
    header: Json
    quality: Quality


def header_problem(header: bytes, mapping: TableMapping) -> str:
    """Return why a table cannot be read by a mapping, from its first row; "" when it can."""
    try:
        names = fields(header, mapping.delimiter, mapping.encoding)
    except MalformedContent as error:
        return f"Line 1, the header: {error}"
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"Line 1: two columns are called {twice[0][:60]!a}; each needs a name of its own."
    missing = sorted(columns_of(mapping) - set(names))
    if missing:
        shown = ", ".join(missing[:10])
        return (
            f"Line 1: the mapping {mapping.name} takes columns that the table does not have: {shown}. It has "
            f"{', '.join(names)[:300]} (delimiter {mapping.delimiter!a})."
        )
    return ""


def to_fhir(body: bytes, mapping: TableMapping, *, line: int) -> Row:
    """Return what a row says.

    Args:
        body: the table's header and, after a line end, the row.
        mapping: of the site.
        line: where the row begins in its table, for errors.

    Raises:
        MalformedContent: naming line and column.
    """
    header, content = (one.content for one in records(io.BytesIO(body), bytes_max=len(body) + 1))
    if problem := header_problem(header, mapping):
        raise MalformedContent(problem)
    try:
        names = fields(header, mapping.delimiter, mapping.encoding)
        cells = fields(content, mapping.delimiter, mapping.encoding)
    except MalformedContent as error:
        raise MalformedContent(f"Line {line}: {error}") from error
    if len(cells) != len(names):
        raise MalformedContent(f"Line {line} has {len(cells)} fields; the header has {len(names)}.")
    return _Reading(mapping, line, names, cells, content).row()


class _Reading:
    """One row while it is read."""

    def __init__(
        self, mapping: TableMapping, line: int, names: list[str], cells: list[str], content: bytes
    ) -> None:
        self.mapping, self.line, self.content = mapping, line, content
        self.account = Account(f"table {mapping.name}")
        self.taken: set[str] = set()
        self.cells: dict[str, str] = {}
        for name, raw in zip(names, cells, strict=True):
            if raw in ("", *mapping.missing):
                self.account.absent += raw != ""
            else:
                self.cells[name] = raw

    def row(self) -> Row:
        subject = self.mapping.subject
        number = number_of_person(self._text(subject.column)) if subject.column in self.cells else ""
        if not number:
            raise MalformedContent(
                f"Line {self.line}, column {subject.column}: it does not say whose the row is."
            )
        self.taken.add(subject.column)
        entries: list[Json] = []
        if subject.create or subject.take:
            patient: Json = {
                "resourceType": "Patient",
                "identifier": [{"system": subject.system, "value": number}],
            }
            self._fill(patient, subject.take)
            link = _address("Patient", subject.system, number)
            entries.append({"fullUrl": link, "resource": patient})
        else:
            link = f"Patient?identifier={subject.system}|{number}"
        for place, made in enumerate(self.mapping.resource):
            if all(column in self.cells for column in made.needs):
                entries.append(self._resource(made, place, number, link))
        if not entries:
            needed = "; or ".join(", ".join(made.needs) for made in self.mapping.resource)
            raise MalformedContent(f"Line {self.line} becomes no resource: it has no value in {needed}.")
        self._settle()
        bundle: Json = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        return Row(bundle, self._description(link), self.account.quality())

    def _resource(self, made: Made, place: int, number: str, link: str) -> Json:
        resource: Json = {"resourceType": made.type}
        for path, said in made.set.items():
            _put(resource, made.type, path, said)
        self._fill(resource, made.take)
        resource[about(made.type)] = {"reference": link}
        known = [self.cells.get(column, "") for column in made.key]
        self.taken.update(made.key)
        if not made.key:
            known = [hashlib.sha256(self.content).hexdigest()]
        return {
            "fullUrl": _address(made.type, self.mapping.name, str(place), number, *known),
            "resource": resource,
        }

    def _fill(self, resource: Json, takes: Mapping[str, str | Column]) -> None:
        kind = resource["resourceType"]
        for path, take in takes.items():
            column = Column(take) if isinstance(take, str) else take
            if column.column not in self.cells:
                continue
            leaf = type_at(kind, path)
            assert leaf is not None  # the mapping was checked
            unit = self._text(column.unit_column) if column.unit_column in self.cells else ""
            try:
                said = value(self._text(column.column), unit, column, leaf, self.mapping, self.account)
            except MalformedContent as error:
                raise MalformedContent(f"Line {self.line}, column {column.column}: {error}") from error
            _put(resource, kind, path, said)
            self.taken |= {column.column, column.unit_column}
        _close_gaps(resource)

    def _text(self, column: str) -> str:
        try:
            return plain_text(self.cells[column], column, self.account)
        except MalformedContent as error:
            raise MalformedContent(f"Line {self.line}, column {column}: {error}") from error

    def _settle(self) -> None:
        """Tell the cells that nothing took; count the others as mapped."""
        for column, text in self.cells.items():
            if column in self.taken:
                self.account.mapped += 1
            elif column in self.mapping.ignore:
                self.account.drop(column, self.mapping.ignore[column] or "the mapping leaves it out", text)
            else:
                self.account.drop(column, "no element takes this column in this row", text)

    def _description(self, link: str) -> Json:
        return {
            "resourceType": "Composition",
            "status": "final",
            "type": _HISTORY,
            "subject": {"reference": link},
            "date": "1970-01-01",
            "author": [{"display": self.mapping.name}],
            "title": f"Row of the table {self.mapping.name}",
        }


def _address(kind: str, *parts: str) -> str:
    """Return the address of a resource: the same whenever the same row is read."""
    named = msgspec.json.encode([kind, *parts]).decode()
    return f"urn:uuid:{uuid.uuid5(NAMESPACE, named)}"


def _put(resource: Json, kind: str, path: str, said: Any) -> None:  # Any: FHIR JSON
    """Set the element at a path, making what it lies in."""
    holder: Any = resource
    found = list(steps(kind, path))
    for number, (key, place) in enumerate(found):
        is_last = number == len(found) - 1
        if place is None:
            if is_last:
                holder[key] = said
            else:
                holder = holder.setdefault(key, {})
            continue
        items = holder.setdefault(key, [])
        while len(items) <= place:
            items.append({})
        if is_last:
            items[place] = said
        holder = items[place]


def _close_gaps(held: Json) -> None:
    """Take out of lists the items that no column of the row filled."""
    for items in held.values():
        if isinstance(items, list):
            items[:] = [one for one in items if one != {}]
        for one in items if isinstance(items, list) else [items]:
            if isinstance(one, dict):
                _close_gaps(one)
