"""Before a node's database is served: its first connection, its schema, its logins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import asyncpg

from salus.core.errors import SettingsInvalid
from salus.store.clear_contents import seal_what_is_clear
from salus.store.keystore_known import require_own
from salus.store.logins import by_hand, check_login, close_temporary, make_logins
from salus.store.migrations import changing, migrate, migrations
from salus.store.pool import Connection
from salus.store.record_seal import IN_CLEAR, RecordSeal, opens
from salus.store.strings_indexed import index_strings

CONNECT_SECONDS_MAX = 10.0
NOT_THERE = (FileNotFoundError, ConnectionRefusedError)
"""What a socket says whose server does not run."""

_VERSION_MIN = 150_000
_RECOVERY_ATTEMPTS_MAX, _RECOVERY_PAUSE_SECONDS = 300, 0.2


@asynccontextmanager
async def first_connection(
    owner: str, restart: Callable[[], Awaitable[None]] | None
) -> AsyncIterator[Connection]:
    """Lend a connection of the owner's, to be closed again; wait while the server recovers from a crash.

    Args:
        owner: URL of the owner's login.
        restart: starts the server again, if it is this folder's own.
    """
    connection = await _first(owner, restart)
    try:
        yield connection
    finally:
        await connection.close()


async def _first(url: str, restart: Callable[[], Awaitable[None]] | None) -> Connection:
    for _ in range(_RECOVERY_ATTEMPTS_MAX):
        try:
            return await asyncpg.connect(url)
        except asyncpg.CannotConnectNowError:
            await asyncio.sleep(_RECOVERY_PAUSE_SECONDS)
        except NOT_THERE:
            if restart is None:
                raise
            await restart()
            await asyncio.sleep(_RECOVERY_PAUSE_SECONDS)
    return await asyncpg.connect(url)


async def prepare(
    owner: Connection, password: str | None, search_key: bytes, contents: RecordSeal = IN_CLEAR
) -> None:
    """Bring schema and index up to date, seal what is in clear; make the logins that serve.

    Args:
        owner: a connection of the owner's.
        password: of the logins that serve; None where the operator made them.
        search_key: of search hashes, for what an update must index anew.
        contents: seals what an older version left in clear.

    Raises:
        SettingsInvalid: the server is too old, its schema newer than this Salus, or its owner may not.
    """
    version = int(await owner.fetchval("SHOW server_version_num"))
    if version < _VERSION_MIN:
        raise SettingsInvalid(
            f"PostgreSQL {version // 10_000} is too old: Salus needs 15 or newer. Upgrade the server, "
            "or leave the URL away to use the embedded one."
        )
    async with changing(owner):
        await _bring_up_to_date(owner)
        await opens(owner, contents)
        await index_strings(owner, search_key)
        await owner.reset_type_codec("bytea", schema="pg_catalog")
        if contents.keys is not None:
            await require_own(owner, contents.keys)
            await seal_what_is_clear(owner, contents)
        if password is not None:
            await make_logins(owner, password)
        await close_temporary(owner)


async def _bring_up_to_date(owner: Connection) -> None:
    try:
        await migrate(owner, migrations())
    except asyncpg.InsufficientPrivilegeError as error:
        login = await owner.fetchval("SELECT current_user")
        raise SettingsInvalid(
            f"The database login {login} may not bring the schema up to date ({error}). It must own the "
            f"database and, for a node's first start, may make roles: ALTER ROLE {login} CREATEROLE."
        ) from error


async def check(url: str, role: str, logins: Mapping[str, str]) -> None:
    """Log in once as the node is served in a role.

    Args:
        url: of the login.
        role: the one that it is to become.
        logins: that of each role.

    Raises:
        SettingsInvalid: PostgreSQL refuses, or the login may do too much.
    """
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS_MAX)
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError) as error:
        raise SettingsInvalid(
            f"The database does not let the node in as the login that serves ({error}). {by_hand(logins)}"
        ) from error
    try:
        await check_login(connection, role, logins)
    finally:
        await connection.close()
