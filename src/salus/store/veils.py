"""Veils: from whom rows of a citizen's record are hidden, by what their Consents say (schema 0056, 0057).

A veil says from whom, and hangs over rows by name; how far it reaches from these is worked out in the
database, as for a restriction (docs/decisions/0010). What it says is worked out above, in
`salus.trust.consent`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome
from salus.store import ledger
from salus.store.postgres import Connection, Database

_HOLD = "SELECT hold_persons($1)"
_HANG = "SELECT hang_veils($1, $2::jsonb, $3, $4)"
_VERSIONS = "SELECT type, id, content FROM versions_of_person($1, $2)"
_VEILED = "SELECT veiled_among($1)"
_OUTSIDE = "SELECT patient, type || '/' || id AS name FROM veiled_outside($1, $2)"
_CONTENTS = """
SELECT compartment, type, id, content FROM resource
WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND NOT deleted
"""
_LIFT = "SELECT lift_delays($1, $2, $3)"
_END = "SELECT end_delays($1)"
_PREFETCH = 100
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that a citizen says, of those who belong to all of an audience.

    Args:
        audience: words of `salus.trust.audiences`, sorted.
        starts, ends: when it holds, in seconds since 1970, the end exclusive; None for open.
        spares: of a denial, the places of the permits that outdo it.
    """

    audience: tuple[str, ...]
    starts: float | None = None
    ends: float | None = None
    spares: tuple[int, ...] = ()


class Veil(msgspec.Struct, frozen=True):
    """Hidden from whom a denial means and no permit that outdoes all denials which mean them.

    Args:
        id: the same for veils that say the same.
    """

    id: str
    denials: tuple[Said, ...]
    permits: tuple[Said, ...] = ()


class _Hung(msgspec.Struct, frozen=True):
    id: str
    denials: tuple[Said, ...]
    permits: tuple[Said, ...]
    names: list[str]


async def hold(grant: Grant, connection: Connection, patients: Iterable[str]) -> None:
    """Keep out who writes to these persons' records until the transaction ends: what they say changes."""
    named = _confined(grant, patients)
    await connection.execute(_HOLD, named)


async def hang(
    grant: Grant,
    connection: Connection,
    patient: str,
    veils: Mapping[Veil, Collection[str]],
    *,
    anew: bool,
) -> None:
    """Hang veils over rows ("Type/id") of a person's record, and all that the rows reach.

    With `anew` these are all the veils of the person by their Consents, and what others hid is shown again.
    """
    _confined(grant, (patient,))
    hung = [_Hung(veil.id, veil.denials, veil.permits, sorted(names)) for veil, names in veils.items()]
    told = msgspec.json.encode(hung).decode()
    await connection.execute(_HANG, patient, told, grant.opened_at, anew)


async def versions(
    grant: Grant, connection: Connection, patient: str, names: Collection[str] | None = None
) -> AsyncIterator[dict[str, Any]]:  # Any: JSON
    """Yield every version of what a person's record holds, or only the current ones of these names.

    What lies in no record and is about this person alone is there too; so is what of it names those names.
    """
    _confined(grant, (patient,))
    wanted = None if names is None else sorted(names)
    async for row in connection.cursor(_VERSIONS, patient, wanted, prefetch=_PREFETCH):
        if row["content"]:
            yield {**_decode(row["content"]), "resourceType": row["type"], "id": row["id"]}


async def contents(
    connection: Connection, keys: Iterable[tuple[str, str, str]]
) -> list[tuple[str, str, str, bytes]]:
    """Return the resources (compartment, type, id) that a load just wrote, with their content."""
    _, kinds, ids = (list(column) for column in zip(*keys, strict=True))
    return [tuple(row) for row in await connection.fetch(_CONTENTS, kinds, ids)]


async def release(grant: Grant, database: Database, patient: str, names: Collection[str]) -> list[str]:
    """Let a person see results ("Type/id") that the law delays; return those that waited. A leaf of theirs.

    What states a result that still waits stays hidden.
    """
    _confined(grant, (patient,))
    async with database.writing(grant) as connection:
        found = sorted(await connection.fetchval(_LIFT, patient, sorted(names), grant.opened_at))
        leaf = ledger.leaf_of(
            grant, patient, what="results released", resources=len(found), outcome=Outcome.SERVED
        )
        await ledger.append(connection, [leaf])
    return found


async def end_delays(database: Database, now: datetime) -> int:
    """Take away the veils of delays that are over, which hide nothing more; return of how many records."""
    async with database.system() as connection:
        return int(await connection.fetchval(_END, now))


async def veiled(grant: Grant, connection: Connection, patients: Iterable[str]) -> frozenset[str]:
    """Return those of the patients over whose records veils hang."""
    named = _confined(grant, patients)
    return frozenset(await connection.fetchval(_VEILED, named) or ())


async def veiled_outside(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return those of the resources (type, id) just written that lie in no record, as "Type/id".

    By each of their patients over whose records veils hang; it waits for changes of these.
    """
    columns = [list(column) for column in zip(*keys, strict=True)]
    found: dict[str, set[str]] = {}
    for row in await connection.fetch(_OUTSIDE, *columns) if columns else ():
        found.setdefault(row["patient"], set()).add(row["name"])
    return found


def _confined(grant: Grant, patients: Iterable[str]) -> list[str]:
    named = sorted(patients)
    assert grant.patients is None or grant.patients.issuperset(named)
    return named
