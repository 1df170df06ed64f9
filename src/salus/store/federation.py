"""What the node keeps of those who ask it: the signed membership list, local clients, used assertions.

The list is a file of the node's folder, replaced in one step, so that every process of the node sees a
revocation at its next look, and the command line needs no running database to install one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from salus.core.access import Leaf, Purpose, Role
from salus.core.errors import StorageUnavailable
from salus.store import ledger
from salus.store.postgres import Database
from salus.store.revocations import note_revoked, of_client

FOLDER = "federation"
LIST_FILE, ANCHOR_FILE, ANCHOR_KEY_FILE = "members.jws", "anchor.json", "anchor-key.json"
FORGOTTEN_AT_ONCE_MAX = 500

_REMEMBER = """
INSERT INTO assertion_seen (client, jti, forget_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true
"""
_FORGET = """
DELETE FROM assertion_seen WHERE (client, jti) IN (
    SELECT client, jti FROM assertion_seen WHERE forget_at < $1 ORDER BY forget_at LIMIT $2
)
"""
_LATELY = "SELECT count(*) FROM assertion_seen WHERE client = $1 AND starts_with(jti, $2) AND forget_at > $3"
_COLUMNS = "id, name, keys, scopes, roles, purposes, redirects, launch, organisation_id, introspects, sources"
_CLIENT = f"SELECT {_COLUMNS} FROM client WHERE id = $1 AND active"  # noqa: S608  (constants only)
_REGISTER = f"""
INSERT INTO client ({_COLUMNS}, registered) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $10, $11, $12, $9)
ON CONFLICT (id) DO UPDATE
SET name = $2, keys = $3, scopes = $4, roles = $5, purposes = $6, redirects = $7, launch = $8,
    organisation_id = $10, introspects = $11, sources = $12, active = true
"""  # noqa: S608  (constants only)


_OFF = "UPDATE client SET active = false WHERE id = $1 AND active RETURNING true"
# What people allowed an app that is switched off does not come back with another registration of its id.
_END_CONSENTS = "UPDATE app_consent SET ended_at = clock_timestamp() WHERE client = $1 AND ended_at IS NULL"
_LIST = f"SELECT {_COLUMNS} FROM client WHERE active ORDER BY id"  # noqa: S608  (constants only)
_APPS = f"""
SELECT {_COLUMNS} FROM client WHERE active AND cardinality(redirects) > 0 ORDER BY name, id
"""  # noqa: S608  (constants only)


class Client(msgspec.Struct, frozen=True):
    """A registered local system, or an app that people open their data to.

    Args:
        id: its client id.
        name: for the access log, and for the people who are asked to allow an app.
        keys: its public keys (JWK); a public app has none.
        scopes: those that it may be given.
        roles: for whom it may speak: APP for itself, CLINICIAN or PHARMACIST for such people of its own; of
            an app nobody, since people themselves log in through it.
        purposes: for what those people may ask.
        redirects: of an app: where its answers may go, each exact.
        launch: of an app: the address at which the portal opens it, "" when it does not.
        organisation_id: identifier, "system|value", of the organisation whose people it speaks for; "" where
            it says itself for whom.
        introspects: a resource server, which asks of the tokens that it is sent, and gets none itself.
        sources: URIs of the systems in whose name it sends documents (`meta.source`); of others it may not.
    """

    id: str
    name: str
    keys: list[dict[str, Any]]
    scopes: tuple[str, ...]
    roles: tuple[Role, ...] = (Role.APP,)
    purposes: tuple[Purpose, ...] = ()
    redirects: tuple[str, ...] = ()
    launch: str = ""
    organisation_id: str = ""
    introspects: bool = False
    sources: tuple[str, ...] = ()

    @property
    def is_app(self) -> bool:
        """Whether people log in through it (SMART App Launch)."""
        return bool(self.redirects)


async def is_first_use(
    database: Database, client: str, jti: str, *, forget_at: datetime, now: datetime
) -> bool:
    """Remember the assertion durably and return whether it had not been seen before."""
    async with database.system() as connection:
        first = await connection.fetchval(_REMEMBER, client, jti, forget_at)
        await connection.execute(_FORGET, now, FORGOTTEN_AT_ONCE_MAX)
    return bool(first)


async def count_first_uses(database: Database, client: str, prefix: str, *, now: datetime) -> int:
    """Return how many assertions of the client whose jti begins so are still remembered."""
    async with database.system() as connection:
        return int(await connection.fetchval(_LATELY, client, prefix, now))


async def find_client(database: Database, client: str) -> Client | None:
    """Return the registered client, None when there is none or it was switched off."""
    async with database.system() as connection:
        row = await connection.fetchrow(_CLIENT, client)
    return None if row is None else _client(row)


async def list_clients(database: Database) -> list[Client]:
    """Return the registered clients that are not switched off, by id."""
    async with database.system() as connection:
        return [_client(row) for row in await connection.fetch(_LIST)]


async def list_apps(database: Database) -> list[Client]:
    """Return the registered apps that are not switched off, by name."""
    async with database.system() as connection:
        return [_client(row) for row in await connection.fetch(_APPS)]


async def switch_off_client(
    database: Database, client: str, *, until: datetime, leaf: Leaf | None = None
) -> bool:
    """Give the client no token any more, and end those it has; return whether it was registered.

    `until` is when the last of them would expire; `leaf` says in the audit who did it.
    """
    async with database.system() as connection, connection.transaction():
        is_off = bool(await connection.fetchval(_OFF, client))
        if is_off:
            await note_revoked(connection, of_client(client), until)
            await connection.execute(_END_CONSENTS, client)
            await ledger.append(connection, [] if leaf is None else [leaf])
    return is_off


async def register_client(
    database: Database, client: Client, *, now: datetime, leaf: Leaf | None = None
) -> None:
    """Register the client, or replace what is known of it; `leaf` says in the audit who did it."""
    keys = json.dumps(client.keys)
    lists = (" ".join(each) for each in (client.scopes, client.roles, client.purposes))
    async with database.system() as connection, connection.transaction():
        await connection.execute(
            _REGISTER,
            client.id,
            client.name,
            keys,
            *lists,
            list(client.redirects),
            client.launch,
            now,
            client.organisation_id,
            client.introspects,
            list(client.sources),
        )
        await ledger.append(connection, [] if leaf is None else [leaf])


def _client(row: Any) -> Client:  # Any: a database row
    return Client(
        row["id"],
        row["name"],
        json.loads(row["keys"]),
        tuple(row["scopes"].split()),
        tuple(Role(each) for each in row["roles"].split()),
        tuple(Purpose(each) for each in row["purposes"].split()),
        tuple(row["redirects"]),
        row["launch"],
        row["organisation_id"],
        row["introspects"],
        tuple(row["sources"]),
    )


def read_file(data: Path, name: str) -> str | None:
    """Return the text of a file of the node's federation folder, None when there is none."""
    try:
        return (data / FOLDER / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageUnavailable(f"{data / FOLDER / name} cannot be read: {error.strerror}") from error


def write_file(data: Path, name: str, text: str) -> None:
    """Replace the file in one step; only the owner may read it."""
    folder = data / FOLDER
    path = folder / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(f"{name}.{os.getpid()}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def folder_lock(data: Path, name: str = "members.lock") -> Iterator[None]:
    """Let one process at a time read, compare and replace a file of the folder."""
    folder = data / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageUnavailable(f"{folder} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def stamp(data: Path, name: str) -> tuple[int, int]:
    """Return what changes when the file is replaced (inode and time of change), (0, 0) without one."""
    try:
        found = (data / FOLDER / name).stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns
