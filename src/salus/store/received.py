"""What becomes of a resource that a source sends when there is one of its id already.

A source's content is compared with everything it sent before, not with the current version alone: what was
edited, completed by a dispensation, superseded or deleted here since is not undone by the same file again.
The contents sent before are the current version and the history, so that a load keeps nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from salus.standards.fhir.search.values import date_interval
from salus.store.postgres import Connection

Rule = Literal["file", "document", "absent", "overwrite"]
"""file: a content seen before changes nothing. document: of a document not seen before, which may say again
what an earlier one said. absent: only where there is nothing. overwrite: the source wins."""
Fate = Literal["stored", "unchanged", "kept"]
"""kept: the content is new, but what was edited or deleted here stays, or what its source changed later."""

_KNOWN = """
SELECT compartment, type, id, version, updated, deleted, hidden, digest, received
FROM resource WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""
_SEEN = """
SELECT wanted.place FROM unnest($1::integer[], $2::text[], $3::text[], $4::bytea[])
    AS wanted (place, type, id, digest)
WHERE EXISTS (
    SELECT FROM resource_version old
    WHERE old.type = wanted.type AND old.id = wanted.id AND NOT old.deleted
        AND sha256(old.content) = wanted.digest
)
"""
_CONTENTS = """
SELECT wanted.place, r.content FROM unnest($1::integer[], $2::text[], $3::text[])
    AS wanted (place, type, id) JOIN resource r ON (r.type, r.id) = (wanted.type, wanted.id)
"""


class _Meta(msgspec.Struct):
    lastUpdated: str = ""


class _Head(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta)


class Incoming(msgspec.Struct, frozen=True):
    """A resource as it was sent.

    Args:
        digest: SHA-256 of its content.
        sent_at: meta.lastUpdated as sent, "" for none.
    """

    type: str
    id: str
    digest: bytes
    rule: Rule = "file"
    sent_at: str = ""


class Judged(NamedTuple):
    """What is to become of it, and the current version (a row of `resource`) or None."""

    fate: Fate
    current: Any  # an asyncpg record, or None


async def judge(connection: Connection, incoming: Sequence[Incoming]) -> list[Judged]:
    """Return what is to become of each; a resource may occur once."""
    rows = await connection.fetch(_KNOWN, [one.type for one in incoming], [one.id for one in incoming])
    known = {(row["type"], row["id"]): row for row in rows}
    if not known:
        return [Judged("stored", None)] * len(incoming)
    currents = [known.get((one.type, one.id)) for one in incoming]
    differing = [
        (place, one.type, one.id, one.digest)
        for place, (one, current) in enumerate(zip(incoming, currents, strict=True))
        if current is not None and not _is_same(one, current) and one.rule != "overwrite"
    ]
    seen: set[int] = set()
    if differing:
        columns = [list(column) for column in zip(*differing, strict=True)]
        seen = {row["place"] for row in await connection.fetch(_SEEN, *columns)}
    older = await _older(connection, incoming, [place for place, *_ in differing if place not in seen])
    return [
        Judged("kept" if place in older else _fate(one, current, place in seen), current)
        for place, (one, current) in enumerate(zip(incoming, currents, strict=True))
    ]


async def _older(connection: Connection, incoming: Sequence[Incoming], places: Sequence[int]) -> set[int]:
    """Return the places of what its source changed before what is current here, by the source's own clock."""
    dated = [place for place in places if incoming[place].rule == "file" and incoming[place].sent_at]
    if not dated:
        return set()
    types, ids = [incoming[place].type for place in dated], [incoming[place].id for place in dated]
    rows = await connection.fetch(_CONTENTS, dated, types, ids)
    return {row["place"] for row in rows if _is_before(incoming[row["place"]].sent_at, row["content"])}


def _is_before(sent_at: str, content: bytes) -> bool:
    try:
        known = msgspec.json.decode(content, type=_Head).meta.lastUpdated if content else ""
    except msgspec.DecodeError:
        return False
    one, other = date_interval(sent_at), date_interval(known)
    return one is not None and other is not None and one[0] < other[0]


def _is_same(one: Incoming, current: Any) -> bool:  # Any: an asyncpg record
    return bool(current["digest"] == one.digest and not current["deleted"])


def _fate(one: Incoming, current: Any, is_seen: bool) -> Fate:  # Any: an asyncpg record, or None
    if current is None:
        return "stored"
    if one.rule == "absent" or _is_same(one, current):
        return "unchanged"
    if one.rule == "overwrite":
        return "stored"
    if is_seen and (one.rule == "file" or not current["received"]):
        return "unchanged"
    return "stored" if current["received"] else "kept"
