"""In which order the rows of a search are read: by a column with an index, or by an indexed search value.

Either way a page goes on after a key, never after an offset. Rows without the value come last.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salus.standards.fhir.search.parameters import clinical_date
from salus.standards.fhir.search.query import Query
from salus.store.search_cursor import Place
from salus.store.search_statement import Statement


class Order(msgspec.Struct, frozen=True):
    """The order of a batch.

    Args:
        column: id, updated or date; the id breaks ties in the direction that the index has.
        descending: of the column.
        phase: rows with a date (0), those without (1), or None for all, those without last. Two phases
            follow an index; all at once is one round trip and sorts, which is fine for few rows.
    """

    column: str
    descending: bool
    phase: int | None

    @property
    def by_id(self) -> bool:
        """Whether only the id orders."""
        return self.column == "id" or (self.column == "date" and self.phase == 1)

    def keys(self) -> str:
        """Return the text after ORDER BY."""
        if self.column == "id":
            return f"r.id {'DESC' if self.descending else 'ASC'}"
        identity = f"r.id {'ASC' if self.descending else 'DESC'}"
        if self.by_id:
            return identity
        nulls = " NULLS LAST" if self.column == "date" and self.phase is None else ""
        return f"r.{self.column} {'DESC' if self.descending else 'ASC'}{nulls}, {identity}"

    def tests(self, statement: Statement, after: Place | None) -> list[str]:
        """Return the conditions that confine a batch to its phase and to what comes after a place."""
        found = []
        if self.column == "date" and self.phase is not None:
            found.append("r.date IS NULL" if self.phase else "r.date IS NOT NULL")
        if after is None:
            return found
        later_id = self.descending != (self.column == "id")
        identity = f"r.id {'>' if later_id else '<'} {statement.bind(after.id)}"
        if self.by_id:
            return [*found, identity]
        if after.phase:
            return [*found, f"r.date IS NULL AND {identity}"]
        bound = f"{statement.bind(after.values[0])}::text::timestamptz"
        sign = "<" if self.descending else ">"
        key = f"r.{self.column}"
        later = f"{key} {sign}= {bound} AND ({key} {sign} {bound} OR {identity})"
        if self.column == "date" and self.phase is None:
            later = f"({later} OR r.date IS NULL)"
        return [*found, later]

    source = ""
    value = ""

    def place(self, row: Any) -> Place:  # Any: a database row
        """Return the place of a row."""
        if self.column == "id":
            return Place(0, [], row["id"])
        found = row["date"] if self.column == "date" else row["updated"].isoformat()
        return Place(1, [], row["id"]) if found is None else Place(0, [found], row["id"])


class ValueOrder(msgspec.Struct, frozen=True):
    """The order by a parameter with one place, along the index of its values.

    Args:
        slot: the place.
        descending: greatest value first.
        phase: rows with a value (0), those without (1).
    """

    slot: str
    descending: bool
    phase: int

    @property
    def _column(self) -> str:
        return "high" if self.descending else "low"

    @property
    def source(self) -> str:
        """The text that joins the values, "" where there are none."""
        if self.phase:
            return ""
        return "JOIN resource_range o ON o.compartment = r.compartment AND o.type = r.type AND o.id = r.id"

    @property
    def value(self) -> str:
        """The sort value as text, so that a cursor can hold it."""
        return "" if self.phase else f"o.{self._column}::text AS sort_value"

    def keys(self) -> str:
        """Return the text after ORDER BY."""
        if self.phase:
            return "r.id ASC"
        return f"o.{self._column} {'DESC' if self.descending else 'ASC'}, o.id ASC"

    def tests(self, statement: Statement, after: Place | None) -> list[str]:
        """Return the conditions that confine a batch to its phase and to what comes after a place."""
        key = statement.bind(statement.hash_of("", self.slot, ""))
        same = "b.compartment = r.compartment AND b.type = r.type AND b.id = r.id"
        other = f"SELECT FROM resource_range b WHERE {same} AND b.key = {key}::bigint"
        if self.phase:
            found = [f"NOT EXISTS ({other})"]
            return [*found, f"r.id > {statement.bind(after.id)}"] if after else found
        column, sign = f"o.{self._column}", ">" if self.descending else "<"
        found = [f"o.key = {key}::bigint", f"NOT EXISTS ({other} AND b.{self._column} {sign} {column})"]
        if after is not None:
            bound = f"{statement.bind(after.values[0])}::text::float8"
            later = "<" if self.descending else ">"
            identity = f"o.id > {statement.bind(after.id)}"
            found.append(f"{column} {later}= {bound} AND ({column} {later} {bound} OR {identity})")
        return found

    def place(self, row: Any) -> Place:  # Any: a database row
        """Return the place of a row."""
        return Place(1, [], row["id"]) if self.phase else Place(0, [row["sort_value"]], row["id"])


def orders(query: Query, *, narrow: bool) -> list[Order | ValueOrder]:
    """Return the orders to read one after the other, [] when no index has it (`search_sort`).

    Args:
        query: its `sort` counts.
        narrow: the search is confined to few rows, so that sorting them is cheap.
    """
    if not query.sort:
        return [Order("id", False, 0)]
    if len(query.sort) > 1:
        return []
    parameter, descending = query.sort[0].parameter, query.sort[0].descending
    if parameter.code == "_id":
        return [Order("id", descending, 0)]
    if parameter.code == "_lastUpdated":
        return [Order("updated", descending, 0)]
    clinical = clinical_date(query.type)
    if clinical is not None and clinical.code == parameter.code:
        phases = (None,) if narrow else (0, 1)
        return [Order("date", descending, phase) for phase in phases]
    if narrow or parameter.type not in ("date", "number", "quantity") or len(parameter.paths) != 1:
        return []
    slot = parameter.paths[0].slot
    return [ValueOrder(slot, descending, phase) for phase in (0, 1)]
