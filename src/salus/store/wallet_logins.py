"""Log-ins by a wallet on their way (schema 0072). Each is answered once, taken once, and soon forgotten."""

from __future__ import annotations

from datetime import datetime

import msgspec

from salus.core.errors import Throttled
from salus.store.postgres import Database

OPEN_MAX = 20_000
TRIES_MAX = 3

_FORGET = "DELETE FROM wallet_login WHERE expires_at <= $1"
_COUNT = "SELECT count(*) FROM wallet_login"
_BEGIN = "INSERT INTO wallet_login (id, browser, asked, expires_at) VALUES ($1, $2, $3, $4)"
_FIND = """
SELECT browser, asked, person IS NOT NULL AS answered FROM wallet_login WHERE id = $1 AND expires_at > $2
"""
_ANSWER = """
UPDATE wallet_login SET person = $2, code = $3
WHERE id = $1 AND person IS NULL AND expires_at > $4 RETURNING true
"""
_TAKE = """
DELETE FROM wallet_login
WHERE id = $1 AND browser = $2 AND code = $3 AND tries < $4 AND expires_at > $5 RETURNING person
"""
_MISS = "UPDATE wallet_login SET tries = tries + 1 WHERE id = $1 AND browser = $2"


class WalletLogin(msgspec.Struct, frozen=True):
    """One on its way: the digest of the browser's secret, what was asked, and whether it was answered."""

    browser: bytes
    asked: bytes
    answered: bool


async def begin(
    database: Database, login: str, *, browser: bytes, asked: bytes, expires_at: datetime, now: datetime
) -> None:
    """Remember a log-in that a browser began.

    Raises:
        Throttled: too many are on their way.
    """
    async with database.system() as connection:
        await connection.execute(_FORGET, now)
        if await connection.fetchval(_COUNT) >= OPEN_MAX:
            raise Throttled("Too many log-ins are on their way; try again in some minutes.")
        await connection.execute(_BEGIN, login, browser, asked, expires_at)


async def find(database: Database, login: str, now: datetime) -> WalletLogin | None:
    """Return a log-in that is on its way, None when there is none, or it has expired."""
    async with database.system() as connection:
        row = await connection.fetchrow(_FIND, login, now)
    return None if row is None else WalletLogin(**dict(row))


async def answer(database: Database, login: str, *, person: bytes, code: bytes, now: datetime) -> bool:
    """Keep who answered; return False when somebody had already, or it has expired."""
    async with database.system() as connection:
        return bool(await connection.fetchval(_ANSWER, login, person, code, now))


async def take(database: Database, login: str, *, browser: bytes, code: bytes, now: datetime) -> bytes | None:
    """Return who answered, once, to the browser that began and has the code; None to any other.

    After three codes that were wrong the log-in is lost.
    """
    async with database.system() as connection:
        person: bytes | None = await connection.fetchval(_TAKE, login, browser, code, TRIES_MAX, now)
        if person is None:
            await connection.execute(_MISS, login, browser)
    return person
