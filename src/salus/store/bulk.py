"""Loading in bulk: many resources in one transaction by COPY, with their audit leaves.

New resources are copied as their workers encoded them. Of one that is there already `store.received` says
whether it becomes the next version, changes nothing, or gives way to what was done here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict
from salus.store import ledger
from salus.store.changes import stays_hidden
from salus.store.copying import RANGE_COLUMNS, RESOURCE_COLUMNS, Encoded, copy_rows
from salus.store.postgres import Connection
from salus.store.received import Fate, Incoming, Rule, judge
from salus.store.record_seal import record_seal_of
from salus.store.referring import (
    await_restrictions_of_many,
    follow,
    name_identified,
    note_attachments,
    patients_outside,
)
from salus.store.resources import LOCK, SUPERSEDE

_HIDE = """
UPDATE resource SET hidden = true WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""


LOCKED_MAX = 2_000
"""Most resources that one transaction locks by name: PostgreSQL's table of locks is small."""


async def load(
    grant: Grant,
    connection: Connection,
    batch: Sequence[Encoded],
    *,
    what: str = "load",
    continued: bool = False,
    rules: Sequence[Rule] | None = None,
) -> list[Fate]:
    """Store a batch in the caller's transaction, with one leaf for each patient whose record changed.

    Args:
        grant: for `Action.LOAD`, of the whole node.
        connection: from `database.loading(grant)`, in a transaction.
        batch: in the order of the input; of two with the same type and id the later is the later version.
        what: what the leaves say was done.
        continued: the transaction goes on over many batches. Neither these nor a batch over `LOCKED_MAX` lock
            each resource against other writers; their ids are derived, so that only another load of
            the same source can meet them, and then this one fails.
        rules: for each resource what holds where there is one already; by default "file" for all.

    Returns:
        What became of each resource of the batch.

    Raises:
        Conflict: somebody else wrote one of the resources meanwhile; nothing was changed.
    """
    if not batch:
        return []
    if not continued and len(batch) <= LOCKED_MAX:
        await connection.execute(LOCK, [f"{one.type}/{one.id}" for one in batch])
    touched: dict[str, int] = {}
    fates: dict[int, Fate] = {}
    rules = ["file"] * len(batch) if rules is None else rules
    pending = list(range(len(batch)))
    while pending:
        first, pending = _first_of_each(batch, pending)
        try:
            fates.update(await _store(grant, connection, batch, rules, first, touched))
        except asyncpg.UniqueViolationError as error:
            raise Conflict(
                "Another writer stored the same resources meanwhile; load the file again."
            ) from error
    leaves = [
        ledger.leaf_of(grant, patient, what=what, resources=count, outcome=Outcome.SERVED)
        for patient, count in touched.items()
    ]
    await ledger.append(connection, leaves)
    return [fates.get(place, "unchanged") for place in range(len(batch))]


def _first_of_each(batch: Sequence[Encoded], places: list[int]) -> tuple[list[int], list[int]]:
    """Return the places of the first of each resource, and of later ones that differ from the one before."""
    last: dict[tuple[str, str], bytes] = {}
    first, later = [], []
    for place in places:
        one = batch[place]
        key = (one.type, one.id)
        if key not in last:
            first.append(place)
        elif last[key] != one.digest:
            later.append(place)
        last[key] = one.digest
    return first, later


async def _store(
    grant: Grant,
    connection: Connection,
    batch: Sequence[Encoded],
    rules: Sequence[Rule],
    places: list[int],
    touched: dict[str, int],
) -> dict[int, Fate]:
    """Store the resources at these places of the batch, as their rules allow; return their fates."""
    wanted = [batch[place] for place in places]
    incoming = [
        Incoming(
            one.type,
            one.id,
            one.digest,
            rules[place],
            one.sent_at,
            one.sent_version,
            one.arrived_at,
            one.compartment,
            one.patients,
        )
        for place, one in zip(places, wanted, strict=True)
    ]
    fresh: list[Encoded] = []
    fates: dict[int, Fate] = {}
    lines: list[bytes] = []
    replaced, renewed = [], []
    judged = await judge(connection, incoming)
    for place, one, (fate, current) in zip(places, wanted, judged, strict=True):
        fates[place] = fate
        if fate != "stored":
            continue
        if current is None:
            lines.append(one.resource)
        else:
            replaced.append(current)
            renewed.append(one)
            lines.append(one.versioned(current["version"] + 1, max(grant.opened_at, current["updated"])))
        fresh.append(one)
        for patient in _touched(one, current):
            touched[patient] = touched.get(patient, 0) + 1
    written = [(one.compartment, one.type, one.id) for one in fresh]
    before = [row["compartment"] for row in replaced]
    await await_restrictions_of_many(connection, (*before, *(one.compartment for one in fresh)))
    await record_seal_of(connection).settle([key for one in fresh for key in one.keys])
    if replaced:
        keys = [(row["compartment"], row["type"], row["id"]) for row in replaced]
        await connection.execute(SUPERSEDE, *[list(column) for column in zip(*keys, strict=True)])
    await copy_rows(connection, "resource", RESOURCE_COLUMNS, lines)
    await copy_rows(connection, "resource_range", RANGE_COLUMNS, (one.ranges for one in fresh))
    hidden = [row for row, one in zip(replaced, renewed, strict=True) if stays_hidden(row, one.patients)]
    if hidden:
        await connection.execute(_HIDE, [row["type"] for row in hidden], [row["id"] for row in hidden])
    identified = await name_identified(connection, [(one.type, one.id, one.identities) for one in fresh])
    await follow(connection, written, grant.opened_at, waiting=False)
    found = identified | await patients_outside(connection, written)
    for one in fresh:
        for patient in {*found.get((one.type, one.id), ())} - {*one.patients}:
            touched[patient] = touched.get(patient, 0) + 1
    await note_attachments(
        connection,
        [
            (binary, patient)
            for one in fresh
            for binary in one.binaries
            for patient in found.get((one.type, one.id)) or one.patients
        ],
    )
    return fates


def _touched(one: Encoded, current: Any) -> tuple[str, ...]:  # Any: a record, or None
    """Return the patients whose record changes: those of the version before too; "" for none."""
    before: tuple[str, ...] = ()
    if current is not None and "/" not in current["compartment"]:
        before = (current["compartment"],)
    return tuple(dict.fromkeys((*before, *one.patients))) or ("",)
