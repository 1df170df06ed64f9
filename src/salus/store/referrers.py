"""Who refers to a resource: what referential integrity asks before a deletion.

Found are the references that a search parameter reads, anywhere, and within the resource's own patient
compartment all of them (`resource.links`; a Patient, whom these leave out, is named by all that lies there).
The target's row is locked first by both sides: a writer who refers to it and one who deletes it wait for each
other. What a citizen restricts neither holds up a deletion of those who do not see it nor is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from salus.core.access import Grant
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.hashing import compile_hasher
from salus.standards.fhir.search.parameters import parameters_of
from salus.standards.fhir.search.references import literals_in
from salus.store import resources
from salus.store.asker import asker_of
from salus.store.postgres import Connection
from salus.store.search_check import content_of

COUNTED_MAX = 1_000
_SHARE = """
SELECT FROM resource WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
ORDER BY type, id FOR KEY SHARE
"""
_HOLD = """
SELECT compartment FROM resource
WHERE type = $1 AND id = $2 AND NOT deleted AND (NOT hidden OR salus_shows(type, id, $3::jsonb))
FOR UPDATE
"""
_FOUND = """
SELECT type, id, content FROM resource
WHERE NOT deleted AND (NOT hidden OR salus_shows(type, id, $5::jsonb)) AND tokens && $1::bigint[]
UNION ALL
SELECT type, id, content FROM resource
WHERE compartment = $2 AND NOT deleted AND (NOT hidden OR salus_shows(type, id, $5::jsonb))
    AND ($3 = ANY (links) OR $3 = 'Patient/' || compartment AND type <> 'Subscription')
LIMIT $4
"""


async def share(connection: Connection, references: Iterable[str]) -> None:
    """Keep what is referred to ("Type/id") from being deleted until the caller's transaction ends."""
    pairs = [one.split("/") for one in sorted(references) if one.count("/") == 1]
    if pairs:
        await connection.execute(_SHARE, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


async def referrers(
    grant: Grant,
    connection: Connection,
    kind: str,
    identity: str,
    *,
    key: bytes,
    base: str,
    without: Sequence[tuple[str, str]],
) -> list[str]:
    """Return the "Type/id" of at most `COUNTED_MAX` resources that refer to one, of those the grant reaches.

    Args:
        grant: of the caller; `connection` is one lent under it, in the transaction that deletes.
        connection: see there.
        kind: type of the resource to be deleted.
        identity: its id.
        key: the node's secret of search hashes.
        base: the node's FHIR address: absolute references below it count.
        without: (type, id) of what the same transaction writes or deletes.
    """
    if grant.patients is not None and not grant.patients:
        return []  # a grant over nobody reaches nothing that could be deleted
    name = f"{kind}/{identity}"
    await connection.execute(resources.LOCK, [name])
    asker = asker_of(grant)
    held = await connection.fetchrow(_HOLD, kind, identity, asker)
    if held is None:
        return []
    hash_of = compile_hasher(key)
    tokens = [hash_of(hashing.REFERENCE, slot, name) for slot in _slots(kind)]
    tokens += [hash_of(hashing.ADDRESS, slot, f"{base}/{name}") for slot in _slots(kind)]
    rows = await connection.fetch(
        _FOUND, tokens, held["compartment"], name, COUNTED_MAX + len(without) + 1, asker
    )
    left_out = {*without, (kind, identity)}
    found = {
        f"{row['type']}/{row['id']}"
        for row in rows
        if (row["type"], row["id"]) not in left_out and _refers(row["content"], name, base)
    }
    return sorted(found)


def _refers(content: bytes, name: str, base: str) -> bool:
    links = literals_in(content_of(content))
    return any(link.removeprefix(f"{base}/").partition("/_history/")[0] == name for link in links)


@cache
def _slots(kind: str) -> tuple[str, ...]:
    """Return the places, of all types, where a reference to a type may stand and is indexed."""
    found = {
        path.slot
        for holder in resource_types()
        for parameter in parameters_of(holder).values()
        if parameter.type == "reference" and not parameter.refused
        for path in parameter.paths
        if path.type == "Reference" and (not path.targets or {kind, "Resource"} & set(path.targets))
    }
    return tuple(sorted(found))
