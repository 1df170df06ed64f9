"""Who may act for whom (EHDS article 4(2)): kept, ended, disputed and settled; each step a leaf of both.

A row is seen by the represented and by who acts for them (schema 0062), and by the node's staff.
"""

from __future__ import annotations

from datetime import datetime

import asyncpg
import msgspec

from salus.core.access import Grant, Outcome, Role
from salus.core.errors import Conflict, NotFound
from salus.store import ledger
from salus.store.notices import PROXY_CONFIRMED, tell, told_of
from salus.store.postgres import Connection, Database

_COLUMNS = (
    "id, patient, holder, name, kind, types, proof, starts_at, ends_at, asked_at, confirmed_at, "
    "confirmed_by, ended_at, disputed_at, contested_at, proposed_by"
)
_KEEP = f"""
INSERT INTO proxy ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""  # noqa: S608  (constants only)
_OF = f"""
SELECT {_COLUMNS} FROM proxy WHERE patient = ANY ($1) OR holder = ANY ($1) ORDER BY asked_at DESC, id LIMIT $2
"""  # noqa: S608
_ONE = f"SELECT {_COLUMNS} FROM proxy WHERE id = $1 FOR UPDATE"  # noqa: S608
_END = "UPDATE proxy SET ended_at = $3 WHERE patient = $1 AND id = $2"
_END_LINKS = "SELECT end_links_of_power($1, $2, $3)"
_DISPUTE = "UPDATE proxy SET disputed_at = $3 WHERE patient = $1 AND id = $2"
_CONTEST = "UPDATE proxy SET contested_at = $3 WHERE patient = $1 AND id = $2"
_SETTLE = "UPDATE proxy SET disputed_at = NULL, contested_at = NULL WHERE patient = $1 AND id = $2"
_IN_DISPUTE = f"""
SELECT {_COLUMNS} FROM proxy
WHERE ended_at IS NULL AND (disputed_at IS NOT NULL OR contested_at IS NOT NULL)
ORDER BY asked_at, id LIMIT $1
"""  # noqa: S608
_CONFIRM = "UPDATE proxy SET confirmed_at = $3, confirmed_by = $4 WHERE patient = $1 AND id = $2"
_WAITING = f"""
SELECT {_COLUMNS} FROM proxy
WHERE ended_at IS NULL AND confirmed_at IS NULL ORDER BY asked_at, id LIMIT $1
"""  # noqa: S608
LISTED_MAX = 200


class Proxy(msgspec.Struct, frozen=True):
    """Somebody's power to act for a patient; schema 0062, 0169 and 0203 say what the fields mean."""

    id: str
    patient: str
    holder: str
    name: str
    kind: str
    types: tuple[str, ...] | None
    proof: str
    starts_at: datetime
    ends_at: datetime | None
    asked_at: datetime
    confirmed_at: datetime | None
    confirmed_by: str
    ended_at: datetime | None = None
    disputed_at: datetime | None = None
    contested_at: datetime | None = None
    proposed_by: str = ""


async def keep_proxy(grant: Grant, database: Database, proxy: Proxy) -> None:
    """Keep a power that somebody confirmed; the represented are told of one that they did not give."""
    async with database.writing(grant) as connection:
        types = None if proxy.types is None else list(proxy.types)
        await connection.execute(
            _KEEP, proxy.id, proxy.patient, proxy.holder, proxy.name, proxy.kind, types, proxy.proof,
            proxy.starts_at, proxy.ends_at, proxy.asked_at, proxy.confirmed_at, proxy.confirmed_by,
            proxy.ended_at, proxy.disputed_at, proxy.contested_at, proxy.proposed_by,
        )  # fmt: skip
        await _write_down(grant, connection, proxy, "given" if proxy.confirmed_at else "entered")
        if grant.caller.role is not Role.CITIZEN:
            await tell(connection, [told_of(grant, proxy.patient, PROXY_CONFIRMED, proxy.id)])


async def confirm_proxy(grant: Grant, database: Database, identity: str) -> Proxy:
    """Confirm a power that another member of staff entered: it is in force.

    Raises:
        NotFound: there is none that the grant may know of.
        Conflict: it waits for nobody, or the same person entered it.
    """
    async with database.writing(grant) as connection:
        found = await _one(connection, identity)
        if found.confirmed_at is not None or found.ended_at is not None:
            raise Conflict("This power waits for nobody's confirmation.")
        if found.proposed_by == grant.caller.subject:
            raise Conflict("Somebody other than who entered this power confirms it.")
        await connection.execute(_CONFIRM, found.patient, found.id, grant.opened_at, grant.caller.name)
        await _write_down(grant, connection, found, "given")
    return found


async def proxies_waiting(grant: Grant, database: Database) -> list[Proxy]:
    """Return the powers that wait for a second member of staff, the oldest first."""
    async with database.reading(grant) as connection:
        return [_proxy(row) for row in await connection.fetch(_WAITING, LISTED_MAX)]


async def proxies(grant: Grant, database: Database, patients: frozenset[str]) -> list[Proxy]:
    """Return the powers over the patients and those that they hold, newest first."""
    async with database.reading(grant) as connection:
        return [_proxy(row) for row in await connection.fetch(_OF, sorted(patients), LISTED_MAX)]


async def proxy_of(grant: Grant, database: Database, identity: str) -> Proxy:
    """Return one power. Raises NotFound: there is none that the grant may know of."""
    async with database.writing(grant) as connection:
        return await _one(connection, identity)


async def end_proxy(grant: Grant, database: Database, identity: str) -> Proxy:
    """End a power now.

    Raises:
        NotFound: there is none that the grant may know of.
        Conflict: it has ended.
    """
    async with database.writing(grant) as connection:
        found = await _one(connection, identity)
        if found.ended_at is not None:
            raise Conflict("This power was ended already.")
        await _end(grant, connection, found)
        await _write_down(grant, connection, found, "ended")
    return found


async def dispute_proxy(grant: Grant, database: Database, identity: str) -> Proxy:
    """Suspend a power until staff have settled the dispute. Raises as `end_proxy` does."""
    async with database.writing(grant) as connection:
        found = await _one(connection, identity)
        if found.ended_at is not None or found.disputed_at is not None:
            raise Conflict("This power has ended or is in dispute already.")
        await connection.execute(_DISPUTE, found.patient, found.id, grant.opened_at)
        await _write_down(grant, connection, found, "disputed")
    return found


async def contest_proxy(grant: Grant, database: Database, identity: str) -> Proxy:
    """Note that the represented contests a power, which stands meanwhile. Raises as `end_proxy` does."""
    async with database.writing(grant) as connection:
        found = await _one(connection, identity)
        if found.ended_at is not None or found.contested_at is not None:
            raise Conflict("This power has ended or is in dispute already.")
        await connection.execute(_CONTEST, found.patient, found.id, grant.opened_at)
        await _write_down(grant, connection, found, "contested")
    return found


async def proxies_in_dispute(grant: Grant, database: Database) -> list[Proxy]:
    """Return the powers that wait for staff to settle them, the oldest first, as far as the grant reaches."""
    async with database.reading(grant) as connection:
        return [_proxy(row) for row in await connection.fetch(_IN_DISPUTE, LISTED_MAX)]


async def settle_proxy(grant: Grant, database: Database, identity: str, *, stands: bool) -> Proxy:
    """End the dispute about a power: it stands, or it ends now.

    Raises:
        NotFound: there is none that the grant may know of.
        Conflict: nobody disputes it.
    """
    async with database.writing(grant) as connection:
        found = await _one(connection, identity)
        if found.disputed_at is None and found.contested_at is None:
            raise Conflict("Nobody disputes this power.")
        await connection.execute(_SETTLE, found.patient, found.id)
        if not stands:
            await _end(grant, connection, found)
        await _write_down(grant, connection, found, "stands" if stands else "ended after a dispute")
    return found


async def _one(connection: Connection, identity: str) -> Proxy:
    row = await connection.fetchrow(_ONE, identity)
    if row is None:
        raise NotFound("There is no such power to act for somebody; see /proxies.")
    return _proxy(row)


async def _end(grant: Grant, connection: Connection, proxy: Proxy) -> None:
    """End a power, and the health links that its holder made under it unless another power stands."""
    await connection.execute(_END, proxy.patient, proxy.id, grant.opened_at)
    ended = await connection.fetchval(_END_LINKS, proxy.patient, proxy.holder, grant.opened_at)
    await ledger.append(
        connection,
        [
            ledger.leaf_of(
                grant, proxy.patient, what=f"health-link/{link} ended", resources=1, outcome=Outcome.SERVED
            )
            for link in ended
        ],
    )


def _proxy(row: asyncpg.Record) -> Proxy:
    fields = dict(row)
    return Proxy(**fields | {"types": None if row["types"] is None else tuple(row["types"])})


async def _write_down(grant: Grant, connection: Connection, proxy: Proxy, what: str) -> None:
    """Write a leaf for the represented and one for who acts for them."""
    text = f"proxy/{proxy.id} {what}"
    await ledger.append(
        connection,
        [
            ledger.leaf_of(grant, patient, what=text, resources=1, outcome=Outcome.SERVED)
            for patient in sorted({proxy.patient, proxy.holder})
        ],
    )
