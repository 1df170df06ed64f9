"""What a write means for others: what refers to a restricted resource is hidden, who is concerned is named.

How far a restriction reaches (EHDS article 8) is worked out in the database, and so is whose what lies in no
record is (EHDS article 9): a Provenance of a result, a Bundle with a copy of it, a Binary (schema 0022).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from salus.store.directory import SHARED_TYPES
from salus.store.postgres import Connection
from salus.store.rows import patients_of

_AWAIT = "SELECT await_restrictions($1)"
_AWAIT_MANY = "SELECT await_restrictions_of_many($1)"
_FOLLOW = """
SELECT name_patients_of_written($1, $2, $3), follow_restrictions($1, $2, $3, $4, $5),
    veiled_now($1, $2, $3) AS veiled
"""
_NOTE = "SELECT note_attachments($1, $2)"
_IDENTIFIED = "SELECT type, id, compartment, others FROM name_identified($1, $2, $3)"
_CONCERNED = """
SELECT type, id, others FROM resource WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""


async def await_restrictions(connection: Connection, compartments: Sequence[str]) -> None:
    """Wait for changes of restrictions in these compartments, and keep later ones out until the end.

    Before rows are locked that such a change needs.
    """
    await connection.execute(_AWAIT, compartments)


async def await_restrictions_of_many(connection: Connection, compartments: Iterable[str]) -> None:
    """Do so for a load, which would hold too many locks: patients share few, so it may wait for another's."""
    await connection.execute(_AWAIT_MANY, list(dict.fromkeys(compartments)))


async def follow(
    connection: Connection, keys: Iterable[tuple[str, str, str]], at: datetime, *, waiting: bool = True
) -> frozenset[str]:
    """Hide those of the resources (compartment, type, id) just written that refer to something hidden.

    And name the patients of those in no record, and of what is in none and named these before they came.

    Args:
        connection: in the transaction that wrote them.
        keys: of the resources.
        at: since when what is found here is restricted.
        waiting: for changes of restrictions under way; a load did so before it wrote.

    Returns:
        Those of the compartments over which veils hang, and those of rows in no record over whose patients'
        records veils hang: whoever wrote judges what it wrote by them.
    """
    columns = [list(column) for column in zip(*keys, strict=True)]
    if not columns:
        return frozenset()
    row = await connection.fetchrow(_FOLLOW, *columns, at, waiting)
    assert row is not None
    return frozenset(row["veiled"] or ())


async def note_attachments(connection: Connection, named: Iterable[tuple[str, str]]) -> None:
    """Keep that records name Binaries, (id of the Binary, patient), so that these are about the patients."""
    columns = [list(column) for column in zip(*named, strict=True)]
    if columns:
        await connection.execute(_NOTE, *columns)


async def name_identified(
    connection: Connection, named: Sequence[tuple[str, str, Sequence[int]]]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Name the patients of resources just written that say by an identifier whom they mean (schema 0054).

    Args:
        connection: in the transaction that wrote them.
        named: (type, id, tokens of the identifiers); those without tokens are left alone.

    Returns:
        All patients of those that have tokens, by type and id.
    """
    wanted = [(kind, identity, tokens) for kind, identity, tokens in named if tokens]
    if not wanted:
        return {}
    kinds, ids, identities = zip(*wanted, strict=True)
    texts = ["{" + ",".join(map(str, tokens)) + "}" for tokens in identities]
    rows = await connection.fetch(_IDENTIFIED, kinds, ids, texts)
    return {(row["type"], row["id"]): patients_of(row["compartment"], row["others"]) for row in rows}


async def patients_outside(
    connection: Connection, keys: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the patients of those resources (compartment, type, id) that lie in no record, by type and id.

    Asks only when there are some; to be called after `follow`.
    """
    outside = [
        (kind, identity) for place, kind, identity in keys if "/" in place and kind not in SHARED_TYPES
    ]
    if not outside:
        return {}
    rows = await connection.fetch(_CONCERNED, *[list(column) for column in zip(*outside, strict=True)])
    return {(row["type"], row["id"]): tuple(row["others"]) for row in rows}
