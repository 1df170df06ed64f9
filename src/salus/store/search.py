"""Search over the stored resources: a page at a time, confined to what the grant opens.

A page is read by key, never by offset, so that it is stable under writes. Order: by `_id` unless `_sort` says
otherwise; `_sort` by one key follows an index where there is one, every other goes through all that matches
(`search_sort`). Chains and _has are answered in steps of so many ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence, Sized
from contextlib import aclosing
from typing import Any

import asyncpg
import msgspec

from salus.core.access import Grant
from salus.core.errors import TooCostly
from salus.standards.fhir.search.hashing import compile_hasher
from salus.standards.fhir.search.parameters import Registry
from salus.standards.fhir.search.query import Query
from salus.store.postgres import Connection, Database
from salus.store.readable import require_open
from salus.store.rows import StoredResource, patients_of
from salus.store.search_check import confirmed
from salus.store.search_cursor import Place, seal, unseal
from salus.store.search_order import Order, ValueOrder, orders
from salus.store.search_plan import Finder
from salus.store.search_reading import BATCH, batches_read, count_matches
from salus.store.search_record import NEWEST_FIRST, RecordSearch, record_search
from salus.store.search_selection import COLUMNS, Selection, too_many
from salus.store.search_sort import sorted_page
from salus.store.search_statement import Statement

ESTIMATE_FROM = 1_000
PARSED = 200
"""Rows that are fetched first where each must be parsed."""
COST_MAX = 5_000_000.0
COUNTED_MAX = 1_000
"""A total of up to so many says something of each person; a larger one speaks of a population."""


class Page(msgspec.Struct, frozen=True):
    """One page of what a search found.

    Args:
        resources: the matches, in order.
        included: what _include and _revinclude add, without repeats.
        next_cursor: value of `_cursor` for the next page, "" on the last.
        total: how many match in all, None when it was not asked for and is not known.
        is_estimate: `total` is the planner's estimate.
        left_out: types that _include leads to and that the grant does not let be read.
        counted: patients whom a total speaks of, when it is at most `COUNTED_MAX`.
    """

    resources: tuple[StoredResource, ...]
    included: tuple[StoredResource, ...]
    next_cursor: str
    total: int | None
    is_estimate: bool = False
    left_out: tuple[str, ...] = ()
    counted: frozenset[str] = frozenset()

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
        AccessRefused: the grant does not let a type be read that the search is about, passes through or
            includes by name.
        InvalidSearch: the cursor belongs to another search or caller.
        TooCostly: a chain, _has, sort or include passes its limit, or the database took too long.
        Throttled: too many other searches of the caller are running.
    """
    if grant.types is not None:
        named = (one.type if one.reverse else one.target for one in query.includes)
        require_open(grant, (query.type, *filter(None, named)), "leave it out of the search")
    hash_of = compile_hasher(key)
    record = record_search(grant, query, hash_of)
    page = await _record_page(grant, database, query, record, key) if record is not None else None
    if page is not None:
        return page
    finder = Finder(grant, hash_of, database.limits, registry)
    async with database.turns.taken(grant.caller), database.reading(grant) as connection:
        selection = await finder.selection(connection, query.type, query.criteria, query.compartment)
        rows: list[asyncpg.Record] = []
        place: Place | None = None
        if query.count:
            after = unseal(key, grant, query) if query.cursor else None
            rows, place = await _page(connection, finder, selection, query, after)
        total, is_estimate = await _total(connection, finder, selection, query, rows, place)
        included = await finder.included(connection, query, rows) if query.includes and rows else []
        counted = await _counted(connection, finder, selection, total, len(rows))
    return Page(
        resources=tuple(stored(row) for row in rows),
        included=tuple(stored(row) for row in included),
        next_cursor="" if place is None else seal(key, grant, query, place),
        total=total,
        is_estimate=is_estimate,
        left_out=tuple(sorted(finder.left_out)),
        counted=counted,
    )


async def _counted(
    connection: Connection, finder: Finder, selection: Selection, total: int | None, shown: int
) -> frozenset[str]:
    """Return the patients whom a total speaks of and the page does not show (`Page.counted`)."""
    if total is None or not shown < total <= COUNTED_MAX or finder.grant.patients is not None:
        return frozenset()
    rows = await finder.candidates(
        connection, selection, count_max=COUNTED_MAX, content=True, refuse_more=False
    )
    return frozenset(patient for row in rows for patient in patients_of(row["compartment"], row["others"]))


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
    patients = patients_of(row["compartment"], row["others"])
    return StoredResource(
        row["type"], row["id"], row["version"], row["updated"], False, row["source"], row["source_id"],
        patients, row["content"],
    )  # fmt: skip


async def _record_page(
    grant: Grant, database: Database, query: Query, record: RecordSearch, key: bytes
) -> Page | None:
    """Return the first page of a search in one record, None when collisions took the place of its rows."""
    rows = await database.search_record(grant, record.patient, query.type, record.tokens, query.count + 1)
    shown = confirmed(rows, record.checker)
    more = len(rows) > query.count
    if more and len(shown) < len(rows):
        return None
    shown = shown[: query.count]
    return Page(
        resources=tuple(_of_record(row, query.type, record.patient) for row in shown),
        included=(),
        next_cursor=seal(key, grant, query, NEWEST_FIRST.place(shown[-1])) if more else "",
        total=None if more else len(shown),
    )


def _of_record(row: Any, kind: str, patient: str) -> StoredResource:  # Any: a database row
    """Return a row of `Database.search_record` as `stored` does one that names its type and compartment."""
    _, identity, version, updated, others, source, source_id, _, content = row
    patients = (patient, *others) if others else (patient,)
    return StoredResource(kind, identity, version, updated, False, source, source_id, patients, content)


async def _page(
    connection: Connection, finder: Finder, selection: Selection, query: Query, after: Place | None
) -> tuple[list[asyncpg.Record], Place | None]:
    """Return the rows of a page and, when more follow, the place where it ends."""
    ways = orders(query, narrow=selection.narrow)
    if not ways:
        return await sorted_page(
            connection, selection, query, after, milliseconds_max=finder.limits.statement_timeout_ms
        )
    rows: dict[str, asyncpg.Record] = {}
    ends: list[Order | ValueOrder] = []
    batches_of = _read_through if selection.checker.reads_on else _read_by_key
    for order in ways:
        if after is not None and len(ways) > 1 and after.phase > (order.phase or 0):
            continue
        here = after if after is not None and (len(ways) == 1 or after.phase == order.phase) else None
        if len(rows) > query.count:
            break
        async with aclosing(batches_of(connection, finder, selection, order, here, query, rows)) as batches:
            async for batch in batches:
                for row in batch:
                    if row["id"] not in rows:
                        rows[row["id"]] = row
                        ends.append(order)
                if len(rows) > query.count:
                    break
    shown = list(rows.values())
    if len(shown) > query.count:
        return shown[: query.count], ends[query.count - 1].place(shown[query.count - 1])
    return shown, None


async def _read_by_key(
    connection: Connection,
    finder: Finder,
    selection: Selection,
    order: Order | ValueOrder,
    after: Place | None,
    query: Query,
    shown: Sized,
) -> AsyncGenerator[list[asyncpg.Record], None]:
    """Yield confirmed rows in order, each batch after the key of the one before; few are read in vain.

    Raises:
        TooCostly: more than `search_candidates_max` are read before the page is full.
    """
    here, more, scanned, checker = after, True, 0, selection.checker
    while more:
        size = max(query.count + 1, PARSED) if checker.parses else query.count + 1 - len(shown)
        batch = await _batch(connection, selection, order, here, size)
        more = len(batch) == size
        scanned += len(batch)
        yield confirmed(batch, checker)
        if more:
            here = order.place(batch[-1])
            if scanned > finder.limits.search_candidates_max:
                raise too_many(query.type, finder.limits)


async def _read_through(
    connection: Connection,
    finder: Finder,
    selection: Selection,
    order: Order | ValueOrder,
    after: Place | None,
    query: Query,
    shown: Sized,
) -> AsyncGenerator[list[asyncpg.Record], None]:
    """Yield confirmed rows in order, of all that SQL finds.

    The first come along the index of the order and mostly fill the page; to read all, the planner may sort.

    Raises:
        TooCostly: that takes longer than a statement may.
    """
    here = after
    for size in (PARSED, BATCH):
        batch = await _batch(connection, selection, order, here, size)
        yield await asyncio.to_thread(confirmed, batch, selection.checker)
        if len(batch) < size:
            return
        here = order.place(batch[-1])
    statement, text = _in_order(selection, order, here, None)
    async with aclosing(batches_read(connection, statement, text, selection, finder.limits)) as batches:
        async for batch in batches:
            yield batch


async def _batch(
    connection: Connection, selection: Selection, order: Order | ValueOrder, after: Place | None, size: int
) -> list[asyncpg.Record]:
    """Fetch the next rows in order."""
    statement, text = _in_order(selection, order, after, size)
    if not selection.narrow:
        await _refuse_costly(connection, selection.type, text, statement.arguments)
    return list(await connection.fetch(text, *statement.arguments))


def _in_order(
    selection: Selection, order: Order | ValueOrder, after: Place | None, limit: int | None
) -> tuple[Statement, str]:
    """Return the query of the next rows in order."""
    statement, where = selection.render()
    tests = [where, *order.tests(statement, after)]
    columns = f"{COLUMNS}, {order.value}" if order.value else COLUMNS
    return statement, statement.select(
        columns, " AND ".join(tests), join=order.source, order=order.keys(), limit=limit
    )


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
    if selection.checker.reads_on:
        return await count_matches(connection, selection, finder.limits), False
    if selection.checker.parses:
        found = await finder.candidates(connection, selection)
        return len(found), False
    statement, where = selection.render()
    if wanted == "estimate":
        plan = await _plan(connection, statement.select("1", where), statement.arguments)
        if plan["Plan Rows"] >= ESTIMATE_FROM:
            return int(plan["Plan Rows"]), True
    return int(await connection.fetchval(statement.select("count(*)", where), *statement.arguments)), False
