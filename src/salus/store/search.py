"""Search over the stored resources: a page at a time, confined to what the grant opens.

A page is read by key, never by offset, so that it is stable under writes. Order: by `_id` unless `_sort` says
otherwise; `_sort` by time of change, id or the type's clinical date follows an index, every other sort first
collects at most `limits.search_candidates_max` rows. Chains and _has are answered in steps of so many ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from salus.core.access import Grant
from salus.core.errors import TooCostly
from salus.standards.fhir.search.hashing import compile_hasher
from salus.standards.fhir.search.match import sort_value
from salus.standards.fhir.search.parameters import Registry, clinical_date
from salus.standards.fhir.search.query import Query, SortKey
from salus.store.postgres import Connection, Database
from salus.store.rows import StoredResource, patients_of
from salus.store.search_check import confirmed, resource_of
from salus.store.search_cursor import Place, seal, unseal
from salus.store.search_plan import COLUMNS, Finder, Selection, too_many
from salus.store.search_sql import Statement

ESTIMATE_FROM = 1_000
COST_MAX = 5_000_000.0


class Page(msgspec.Struct, frozen=True):
    """One page of what a search found.

    Args:
        resources: the matches, in order.
        included: what _include and _revinclude add, without repeats.
        next_cursor: value of `_cursor` for the next page, "" on the last.
        total: how many match in all, None when it was not asked for and is not known.
        is_estimate: `total` is the planner's estimate.
    """

    resources: tuple[StoredResource, ...]
    included: tuple[StoredResource, ...]
    next_cursor: str
    total: int | None
    is_estimate: bool = False

    @property
    def patients(self) -> dict[str, int]:
        """Patients whose data is on the page, with the number of their resources; "" for none's."""
        counts: dict[str, int] = {}
        for resource in (*self.resources, *self.included):
            for patient in resource.patients or ("",):
                counts[patient] = counts.get(patient, 0) + 1
        return counts


async def search(
    grant: Grant, database: Database, query: Query, *, key: bytes, registry: Registry | None = None
) -> Page:
    """Carry out a search.

    Args:
        grant: opens all patients, or confines the search to the compartments of those it names.
        database: where to search; its limits apply.
        query: made by `grammar.parse_query`.
        key: the node's secret of search hashes, also that of cursors.
        registry: the node's parameters, for _include; None stands for those of R4.

    Raises:
        InvalidSearch: the cursor belongs to another search or caller.
        TooCostly: a chain, _has, sort or include passes its limit, or the database took too long.
    """
    finder = Finder(grant, compile_hasher(key), database.limits, registry)
    async with database.reading(grant) as connection:
        selection = await finder.selection(connection, query.type, query.criteria, query.compartment)
        rows: list[asyncpg.Record] = []
        place: Place | None = None
        if query.count:
            after = unseal(key, grant, query) if query.cursor else None
            rows, place = await _page(connection, finder, selection, query, after)
        total, is_estimate = await _total(connection, finder, selection, query, rows, place)
        included = await finder.included(connection, query, rows) if query.includes and rows else []
    return Page(
        resources=tuple(stored(row) for row in rows),
        included=tuple(stored(row) for row in included),
        next_cursor="" if place is None else seal(key, grant, query, place),
        total=total,
        is_estimate=is_estimate,
    )


async def find_ids(
    grant: Grant,
    connection: Connection,
    query: Query,
    *,
    key: bytes,
    database: Database,
    count_max: int = 2,
) -> list[str]:
    """Return the ids of at most `count_max` matches, on the caller's connection and in its transaction."""
    finder = Finder(grant, compile_hasher(key), database.limits, None)
    selection = await finder.selection(connection, query.type, query.criteria, query.compartment)
    rows = await finder.candidates(connection, selection, count_max=count_max, refuse_more=False)
    return [row["id"] for row in rows]


def stored(row: Any) -> StoredResource:  # Any: a database row
    """Return a row as the store hands it out."""
    return StoredResource(
        type=row["type"],
        id=row["id"],
        version=row["version"],
        updated=row["updated"],
        deleted=False,
        source=row["source"],
        source_id=row["source_id"],
        patients=patients_of(row["compartment"], row["others"]),
        content=row["content"],
    )


async def _page(
    connection: Connection, finder: Finder, selection: Selection, query: Query, after: Place | None
) -> tuple[list[asyncpg.Record], Place | None]:
    """Return the rows of a page and, when more follow, the place where it ends."""
    column = _column(query)
    if column is None:
        return await _collected_page(connection, finder, selection, query, after)
    descending = bool(query.sort) and query.sort[0].descending
    phases = (0, 1) if column == "date" and not selection.narrow else (0,)
    rows: list[asyncpg.Record] = []
    ends: list[Place] = []
    scanned = 0
    for phase in phases:
        if after is not None and after.phase > phase and len(phases) > 1:
            continue
        here = after if after is not None and (after.phase == phase or len(phases) == 1) else None
        more = True
        while more and len(rows) <= query.count:
            size = query.count + 1 - len(rows) if not selection.checker.parses else max(query.count + 1, 200)
            order = _Order(column, descending, None if selection.narrow else phase)
            batch = await _batch(connection, finder, selection, order, here, size)
            more = len(batch) == size
            scanned += len(batch)
            good = confirmed(batch, selection.checker)
            rows.extend(good)
            ends.extend(_place(column, row) for row in good)
            if batch:
                here = _place(column, batch[-1])
            if more and len(rows) <= query.count and scanned > finder.limits.search_candidates_max:
                raise too_many(query.type, finder.limits)
    if len(rows) > query.count:
        return rows[: query.count], ends[query.count - 1]
    return rows, None


def _column(query: Query) -> str | None:
    """Return the column that the order follows by an index, None when rows must be collected first."""
    if not query.sort:
        return "id"
    if len(query.sort) > 1:
        return None
    parameter = query.sort[0].parameter
    if parameter.code == "_id":
        return "id"
    if parameter.code == "_lastUpdated":
        return "updated"
    clinical = clinical_date(query.type)
    return "date" if clinical is not None and clinical.code == parameter.code else None


class _Order(msgspec.Struct, frozen=True):
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


def _place(column: str, row: asyncpg.Record) -> Place:
    if column == "id":
        return Place(0, [], row["id"])
    value = row[column]
    return Place(1, [], row["id"]) if value is None else Place(0, [value.isoformat()], row["id"])


async def _batch(
    connection: Connection,
    finder: Finder,
    selection: Selection,
    order: _Order,
    after: Place | None,
    size: int,
) -> list[asyncpg.Record]:
    """Fetch the next rows in order."""
    statement, where = selection.render(finder.hash_of)
    tests = [where, *order.tests(statement, after)]
    text = statement.select(COLUMNS, " AND ".join(tests), order=order.keys(), limit=size)
    if not selection.narrow:
        await _refuse_costly(connection, selection.type, text, statement.arguments)
    return list(await connection.fetch(text, *statement.arguments))


async def _refuse_costly(
    connection: Connection, type_name: str, text: str, arguments: Sequence[object]
) -> None:
    """Ask the planner before a search of all patients.

    Raises:
        TooCostly: it would read too much.
    """
    plan = await _plan(connection, text, arguments)
    if plan["Total Cost"] > COST_MAX:
        raise TooCostly(
            f"This search would read too many {type_name} resources; name a patient, a code or a date."
        )


async def _plan(connection: Connection, text: str, arguments: Sequence[object]) -> dict[str, Any]:
    found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {text}", *arguments)
    plan: dict[str, Any] = msgspec.json.decode(found)[0]["Plan"]
    return plan


async def _collected_page(
    connection: Connection, finder: Finder, selection: Selection, query: Query, after: Place | None
) -> tuple[list[asyncpg.Record], Place | None]:
    """Sort at most `search_candidates_max` rows in memory; without a value they come last."""
    rows = await finder.candidates(connection, selection, content=True)
    known = await asyncio.to_thread(_sorted, query.sort, rows)
    start = 0
    if after is not None:
        place = [_comparable(query.sort, after.values), after.id]
        start = next((n for n, (key, row) in enumerate(known) if [key, row["id"]] > place), len(known))
    shown = known[start : start + query.count]
    if start + query.count >= len(known) or not shown:
        return [row for _, row in shown], None
    last = shown[-1][1]
    return [row for _, row in shown], Place(0, _sort_values(query.sort, last), last["id"])


class _Descending:
    """A value that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:  # Any: text or number
        self.value = value

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self.value == other.value)

    __hash__ = None  # type: ignore[assignment]  # only compared


def _sort_values(sort: Sequence[SortKey], row: asyncpg.Record) -> list[Any]:
    resource = resource_of(row)
    found = (sort_value(one.parameter, resource, descending=one.descending) for one in sort)
    return [None if absent else value for absent, value in found]


def _comparable(sort: Sequence[SortKey], values: Sequence[Any]) -> list[tuple[int, Any]]:
    return [
        (1, 0) if value is None else (0, _Descending(value) if one.descending else value)
        for one, value in zip(sort, values, strict=True)
    ]


def _sorted(
    sort: Sequence[SortKey], rows: Sequence[asyncpg.Record]
) -> list[tuple[list[tuple[int, Any]], asyncpg.Record]]:
    keyed = [(_comparable(sort, _sort_values(sort, row)), row) for row in rows]
    return sorted(keyed, key=lambda one: (one[0], one[1]["id"]))


async def _total(
    connection: Connection,
    finder: Finder,
    selection: Selection,
    query: Query,
    rows: Sequence[asyncpg.Record],
    place: Place | None,
) -> tuple[int | None, bool]:
    """Return how many match, and whether that is an estimate."""
    if query.count and not query.cursor and place is None:
        return len(rows), False
    wanted = "accurate" if not query.count and query.total == "none" else query.total
    if wanted == "none":
        return None, False
    if selection.checker.parses:
        found = await finder.candidates(connection, selection)
        return len(found), False
    statement, where = selection.render(finder.hash_of)
    if wanted == "estimate":
        plan = await _plan(connection, statement.select("1", where), statement.arguments)
        if plan["Plan Rows"] >= ESTIMATE_FROM:
            return int(plan["Plan Rows"]), True
    return int(await connection.fetchval(statement.select("count(*)", where), *statement.arguments)), False
