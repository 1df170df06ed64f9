"""What a statement says of its grant, signed for the database (docs/decisions/0030; schema 0148).

A connection of the bound role may set whatever it likes, so PostgreSQL takes the patients and the asker of
a statement from a setting with an HMAC-SHA-256 only: for this connection, for these minutes. A process makes
its key when it opens the database; the database's owner keeps it where no role of the node reads it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
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

    __slots__ = ("_inner", "_outer", "_secret", "name")

    def __init__(self) -> None:
        self.name = secrets.token_hex(4)
        self._secret = secrets.token_bytes(32)
        # Hashed once and copied for each text, as hmac.digest costs five times as much.
        self._inner, self._outer = map(hashlib.sha256, self.pads())

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
        return self._mac(f"{head}{backend}\n{asker}\n{patients}") + head + patients

    def sign_many(
        self, patients: Sequence[str], askers: Sequence[str], *, backend: int, expires_at: int
    ) -> str:
        """Return one signature for the grants of many requests, place by place (schema 0149)."""
        head = f"{self.name}{expires_at:010d}"
        lines = (f"{head}{backend}", f"many {len(patients)}", *askers, *patients)
        return self._mac("\n".join(lines)) + head

    def _mac(self, said: str) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(said.encode())
        outer.update(inner.digest())
        return outer.hexdigest()


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
        return self._key.sign(patients, asker, backend=self._backend, expires_at=self._until())

    def sign_many(self, patients: Sequence[str], askers: Sequence[str]) -> str:
        """Return the signature of many requests for the next minutes."""
        return self._key.sign_many(patients, askers, backend=self._backend, expires_at=self._until())

    def _until(self) -> int:
        return int(time() + self._ahead_seconds) + LIFE_SECONDS


def settings_of(connection: Connection, grant: Grant) -> tuple[str, str]:
    """Return `salus.patients` and `salus.asker` of a grant for this connection ("" for no named patients)."""
    asker = asker_of(grant)
    return named(connection, _patients_of(grant), asker), asker


def together_of(connection: Connection, grants: Sequence[Grant]) -> tuple[str, list[str], list[str]]:
    """Return the grants of many requests for this connection: their signature, patients and askers."""
    patients = [_patients_of(grant) for grant in grants]
    askers = [asker_of(grant) for grant in grants]
    signing: Signing | None = getattr(connection, "signing", None)
    return "" if signing is None else signing.sign_many(patients, askers), patients, askers


def _patients_of(grant: Grant) -> str:
    """Return the patients separated by commas; no id has a line break, which ends what is signed of one."""
    return ",".join(sorted(grant.patients)).replace("\n", "") if grant.patients else ""


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
