"""What a statement says of its grant, signed for the database (docs/decisions/0030; schema 0148).

A connection of the bound role may set whatever it likes, so PostgreSQL takes the patients and the asker of
a statement from a setting with an HMAC-SHA-256 only: for this connection, for these minutes. A process makes
its key when it opens the database; the database's owner keeps it where no role of the node reads it.
"""

from __future__ import annotations

import hmac
import secrets
from time import time

import asyncpg

from salus.core.access import Grant
from salus.store.asker import asker_of
from salus.store.pool import Connection

LIFE_SECONDS = 300
"""How long a signed grant is good; a transaction that began in time ends under it."""
KEPT_DAYS = 7
"""How long the key of a process that was not seen is kept."""
REFUSED = "the grant of this statement is not good"
"""What PostgreSQL says of a grant that is forged, altered, of another connection, or too old."""

_BLOCK_BYTES = 64
_ADD = "INSERT INTO grant_key (name, inner_pad, outer_pad) VALUES ($1, $2, $3)"
_DROP_OLD = "DELETE FROM grant_key WHERE seen_at < now() - make_interval(days => $1)"
_KEEP = "SELECT keep_grant_key($1)"
_WHO = "SELECT pg_backend_pid(), extract(epoch FROM clock_timestamp())::float8"


class GrantKey:
    """A process's key: its name is known, its secret only here and to the database's owner."""

    __slots__ = ("_secret", "name")

    def __init__(self) -> None:
        self.name = secrets.token_hex(4)
        self._secret = secrets.token_bytes(32)

    def pads(self) -> tuple[bytes, bytes]:
        """Return the inner and the outer padded key of HMAC (RFC 2104)."""
        block = self._secret.ljust(_BLOCK_BYTES, b"\0")
        return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)

    def sign(self, patients: str, asker: str, *, backend: int, expires_at: int) -> str:
        """Return the setting.

        Args:
            patients: separated by commas.
            asker: as `salus.asker` is set with it.
            backend: process number of the connection at the server.
            expires_at: by the database's clock, in seconds since 1970.
        """
        head = f"{self.name}{expires_at:010d}"
        said = f"{head}{backend}\n{asker}\n{patients}"
        return hmac.digest(self._secret, said.encode(), "sha256").hex() + head + patients


class Signing:
    """Signs for one connection."""

    __slots__ = ("_ahead_seconds", "_backend", "_key")

    def __init__(self, key: GrantKey, backend: int, ahead_seconds: float) -> None:
        """Take the connection's process number, and how far the database's clock is ahead of ours."""
        self._key = key
        self._backend = backend
        self._ahead_seconds = ahead_seconds

    def sign(self, patients: str, asker: str) -> str:
        """Return the setting `salus.patients` for the next minutes."""
        until = int(time() + self._ahead_seconds) + LIFE_SECONDS
        return self._key.sign(patients, asker, backend=self._backend, expires_at=until)


def settings_of(connection: Connection, grant: Grant) -> tuple[str, str]:
    """Return `salus.patients` and `salus.asker` of a grant for this connection ("" for no named patients)."""
    asker = asker_of(grant)
    patients = ",".join(sorted(grant.patients)) if grant.patients else ""
    return named(connection, patients, asker), asker


def named(connection: Connection, patients: str, asker: str) -> str:
    """Return `salus.patients` for patients separated by commas, signed where the connection needs it."""
    signing: Signing | None = getattr(connection, "signing", None)
    return patients if signing is None or not patients else signing.sign(patients, asker)


async def register(owner: Connection, key: GrantKey) -> None:
    """Let the database know the key, and forget those of processes that ended long ago."""
    await owner.execute(_DROP_OLD, KEPT_DAYS)
    await owner.execute(_ADD, key.name, *key.pads())


async def keep(connection: Connection, key: GrantKey) -> bool:
    """Tell the database that the key is in use; False where it does not know it any more."""
    return bool(await connection.fetchval(_KEEP, key.name))


def is_refused(error: BaseException) -> bool:
    """Return whether the database did not take a grant for good."""
    return isinstance(error, asyncpg.InsufficientPrivilegeError) and error.message == REFUSED


async def signing_for(connection: Connection, key: GrantKey) -> Signing:
    """Return what signs for a connection that was just opened."""
    row = await connection.fetchrow(_WHO)
    assert row is not None
    return Signing(key, row[0], row[1] - time())
