"""What becomes of a resource that a source sends when there is one of its id already.

A source's content is compared with everything it sent before, not with the current version alone: what was
edited, completed by a dispensation, superseded or deleted here since is not undone by the same file again.
The contents sent before are the current version and the history; of a deletion at the source, which has no
content, the time is kept (store/source_deletions.py). What was erased, or is of a record that was, stays away
(store/tombstones.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from salus.core.access import Grant
from salus.standards.fhir.search.values import date_interval, moment_at
from salus.store.asker import asker_of
from salus.store.postgres import Connection
from salus.store.source_deletions import deleted_at
from salus.store.tombstones import erased_among, is_anything_erased

Rule = Literal["file", "document", "absent", "overwrite"]
"""file: a content seen before changes nothing. document: of a document not seen before, which may say again
what an earlier one said, save of a prescription that hand-overs completed. absent: only where there is
nothing. overwrite: the source wins."""
Fate = Literal["stored", "unchanged", "kept"]
"""kept: the content is new, but what was edited or deleted here stays, or what its source did later."""

_KNOWN = """
SELECT compartment, type, id, version, updated, deleted, hidden, others, digest, received,
    type = 'MedicationRequest' AND EXISTS (
        SELECT FROM used_up AS used
        WHERE (used.compartment, used.id, used.version)
            = (resource.compartment, resource.id, resource.version)
    ) AS used_up
FROM resource WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""
_NOT_THEIRS = """
SELECT r.type, r.id FROM unnest($1::text[], $2::text[], $3::text[]) AS sent (type, id, source)
JOIN resource r ON (r.type, r.id) = (sent.type, sent.id)
WHERE r.source <> sent.source OR (r.hidden AND NOT salus_shows(r.type, r.id, $4::jsonb))
"""
_SEEN = """
SELECT wanted.place FROM unnest($1::integer[], $2::text[], $3::text[], $4::bytea[])
    AS wanted (place, type, id, digest)
WHERE EXISTS (
    SELECT FROM resource_version old
    WHERE old.type = wanted.type AND old.id = wanted.id AND NOT old.deleted
        AND old.digest = wanted.digest
)
"""
_CONTENTS = """
SELECT wanted.place, r.content FROM unnest($1::integer[], $2::text[], $3::text[])
    AS wanted (place, type, id) JOIN resource r ON (r.type, r.id) = (wanted.type, wanted.id)
"""


class _Meta(msgspec.Struct):
    lastUpdated: str = ""
    versionId: str = ""


class _Head(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta)


class Incoming(msgspec.Struct, frozen=True):
    """A resource as it was sent.

    Args:
        digest: of its content, as the database keeps it (`RecordSeal.digest`).
        sent_at, sent_version: meta.lastUpdated and meta.versionId as sent, "" for none.
        arrived_at: when it came first, of what was in quarantine; None of what comes now.
        compartment: the record it lies in, "Type/id" for what lies in none.
        patients: logical ids of whom it is about, whose record it lies in first.
    """

    type: str
    id: str
    digest: bytes
    rule: Rule = "file"
    sent_at: str = ""
    sent_version: str = ""
    arrived_at: datetime | None = None
    compartment: str = ""
    patients: tuple[str, ...] = ()


class Judged(NamedTuple):
    """What is to become of it, and the current version (a row of `resource`) or None."""

    fate: Fate
    current: Any  # an asyncpg record, or None


async def judge(connection: Connection, incoming: Sequence[Incoming]) -> list[Judged]:
    """Return what is to become of each; a resource may occur once."""
    if not await is_anything_erased(connection):
        return await _judge(connection, incoming)
    gone = await _erased(connection, incoming)
    judged = iter(await _judge(connection, [one for one in incoming if (one.type, one.id) not in gone]))
    return [Judged("kept", None) if (one.type, one.id) in gone else next(judged) for one in incoming]


async def not_theirs(
    grant: Grant, connection: Connection, rows: Sequence[tuple[str, str, str]]
) -> set[tuple[str, str]]:
    """Return which of (type, id, source) a document leaves as they are, as a PUT would.

    They are hidden from its sender, or come from another source.
    """
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    found = await connection.fetch(_NOT_THEIRS, *columns, asker_of(grant))
    return {(row["type"], row["id"]) for row in found}


async def _erased(connection: Connection, incoming: Sequence[Incoming]) -> set[tuple[str, str]]:
    """Return what was erased, or lies in a record that was, or in none and is about nobody else."""
    names = {f"{one.type}/{one.id}" for one in incoming}
    names |= {f"Patient/{patient}" for one in incoming for patient in one.patients}
    gone = await erased_among(connection, names)

    def is_gone(one: Incoming) -> bool:
        whose = one.patients if "/" in one.compartment else one.patients[:1]
        return f"{one.type}/{one.id}" in gone or (
            bool(whose) and all(f"Patient/{patient}" in gone for patient in whose)
        )

    return {(one.type, one.id) for one in incoming if is_gone(one)}


async def _judge(connection: Connection, incoming: Sequence[Incoming]) -> list[Judged]:
    names = [(one.type, one.id) for one in incoming]
    rows = await connection.fetch(_KNOWN, [name for name, _ in names], [own_id for _, own_id in names])
    known = {(row["type"], row["id"]): row for row in rows}
    deletions = await deleted_at(connection, names)
    if not known and not deletions:
        return [Judged("stored", None)] * len(incoming)
    currents = [known.get(name) for name in names]
    differing = [
        (place, one.type, one.id, one.digest)
        for place, (one, current) in enumerate(zip(incoming, currents, strict=True))
        if current is not None and not _is_same(one, current) and one.rule != "overwrite"
    ]
    seen: set[int] = set()
    if differing:
        columns = [list(column) for column in zip(*differing, strict=True)]
        seen = {row["place"] for row in await connection.fetch(_SEEN, *columns)}
    fates = [
        _fate(one, current, place in seen)
        for place, (one, current) in enumerate(zip(incoming, currents, strict=True))
    ]
    candidates = [
        place
        for place, (one, fate) in enumerate(zip(incoming, fates, strict=True))
        if fate == "stored" and one.rule == "file"
    ]
    older = await _older(
        connection, incoming, currents, [place for place in candidates if currents[place] is not None]
    )
    older |= {
        place
        for place in candidates
        if names[place] in deletions and not _is_after(incoming[place].sent_at, deletions[names[place]])
    }
    return [
        Judged("kept" if place in older else fate, current)
        for place, (fate, current) in enumerate(zip(fates, currents, strict=True))
    ]


async def _older(
    connection: Connection, incoming: Sequence[Incoming], currents: Sequence[Any], places: Sequence[int]
) -> set[int]:  # Any: asyncpg records, or None
    """Return the places of what its source sent or changed before what is current here."""
    telling = [
        place
        for place in places
        if incoming[place].sent_at or incoming[place].sent_version or incoming[place].arrived_at
    ]
    if not telling:
        return set()
    types, ids = [incoming[place].type for place in telling], [incoming[place].id for place in telling]
    rows = await connection.fetch(_CONTENTS, telling, types, ids)
    return {
        row["place"]
        for row in rows
        if _is_before(incoming[row["place"]], row["content"], currents[row["place"]]["updated"])
    }


def _is_before(one: Incoming, content: bytes, updated: datetime) -> bool:
    """Tell by the source's time; where that is silent by its version, and then by when it came here."""
    try:
        known = msgspec.json.decode(content, type=_Head).meta if content else _Meta()
    except msgspec.DecodeError:
        known = _Meta()
    first, second = date_interval(one.sent_at), date_interval(known.lastUpdated)
    if first is not None and second is not None and first != second:
        return first[0] < second[0]
    if _is_number(one.sent_version) and _is_number(known.versionId):
        return int(one.sent_version) < int(known.versionId)
    return one.arrived_at is not None and one.arrived_at < updated


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdecimal()


def _is_after(sent_at: str, deleted: datetime) -> bool:
    interval = date_interval(sent_at)
    return interval is not None and moment_at(interval[0]) > deleted


def _is_same(one: Incoming, current: Any) -> bool:  # Any: an asyncpg record
    return bool(current["digest"] == one.digest and not current["deleted"])


def _fate(one: Incoming, current: Any, is_seen: bool) -> Fate:  # Any: an asyncpg record, or None
    if current is None:
        return "stored"
    if one.rule == "absent" or _is_same(one, current):
        return "unchanged"
    if one.rule == "overwrite":
        return "stored"
    if is_seen and (one.rule == "file" or not current["received"] or current["used_up"]):
        return "unchanged"
    return "stored" if current["received"] else "kept"
