"""The database of a node: PostgreSQL 15 or newer, embedded in the node's folder or named by a URL.

Connections log in as one that owns nothing and becomes one role (`store.logins`, schema 0001): `salus_wide`
for grants over the whole node, `salus_bound` for grants bound to named patients, which row-level security
confines to them, and whose names are signed (`store.granted`). The owner logs in to bring the schema up to
date, on a connection that is closed again, and in a process that loads by COPY.
A connection given back is not reset: every taker of a bound connection sets the patients itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic

import asyncpg

from salus.core.access import Action, Grant
from salus.core.errors import SalusError, StorageUnavailable, TooCostly
from salus.core.limits import Limits
from salus.store.embedded import embedded_server, start_again
from salus.store.granted import GrantKey, Signing, is_refused, keep, register, settings_of, signing_for
from salus.store.journal_files import JournalFiles
from salus.store.keystore_known import require_own
from salus.store.logins import ROLES, application_url, login_of
from salus.store.mirror import Mirror
from salus.store.parameters_known import Parameters
from salus.store.pool import Connection, Pool
from salus.store.preparing import CONNECT_SECONDS_MAX, NOT_THERE, check, first_connection, prepare
from salus.store.record_seal import IN_CLEAR as CONTENTS_IN_CLEAR
from salus.store.record_seal import RecordSeal, opens
from salus.store.sealing import IN_CLEAR, Seal
from salus.store.shares import Shares
from salus.store.together import Together
from salus.store.turns import Turns

__all__ = ["Connection", "Database", "open_database"]

WIDE, BOUND, OWNER = "salus_wide", "salus_bound", "none"
SERVING, LOADING = (WIDE, BOUND), (WIDE, BOUND, OWNER)
"""Whose connections a process may open: only one that loads has the owner's."""
_LOADING_TIMEOUT_MS = 600_000
_RESTART_EVERY_SECONDS = 2.0
_KEEP_EVERY_SECONDS = 3600.0
NODES_OWN: Mapping[str, str] = {}
"""Of the logins that serve: the node makes them."""
# These functions hold to the grant of each request (schema 0149).
_READ = "SELECT * FROM read_resources($1, $2, $3, $4, $5)"
_SEARCH = "SELECT * FROM search_records($1, $2, $3, $4, $5, $6, $7)"
_SET_BOUND = "SELECT set_config('salus.patients', $1, false), set_config('salus.asker', $2, false)"

_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresIOError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
    TimeoutError,
)

TURN_SECONDS = 5.0
"""How long a search or restriction waits for others of the same caller."""


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what the database cannot do into errors a caller can act on.

    Raises:
        TooCostly: the statement timeout struck.
        StorageUnavailable: the connection is lost, the server stops, or disk or memory is full.
    """
    try:
        yield
    except asyncpg.QueryCanceledError as error:
        raise TooCostly(
            "The database took too long for this request; narrow it, for example by patient, code or date."
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        if not is_refused(error):
            raise
        raise StorageUnavailable(
            "The database did not accept the grant that the node signed for this request; nothing was "
            "changed. Send the request again; if that does not help, start the node again."
        ) from error
    except asyncpg.InsufficientResourcesError as error:
        raise StorageUnavailable(
            "The database has no room left (disk, memory or connections); nothing was changed. "
            "Free some space and send the request again."
        ) from error
    except _LOST as error:
        raise StorageUnavailable(
            "The database cannot be reached; nothing was changed. Send the request again in a moment."
        ) from error


class Database:
    """Open pools of connections, one for each role. Made by `open_database`.

    Attributes:
        url: of PostgreSQL, for the login that serves node-wide.
        contents: seals what its connections write, see `store.record_seal`.
        limits: the node's.
        logins: that of each role.
        parameters: the search parameters that its resources are indexed by.
        turns: of searches, caller by caller.
        restricting: turns of restrictions and their previews, one at a time for each caller.
        shares: of large work, caller by caller.
        journals: files whose leaves are not all in the database so far; None where there are none.
        mirror: what a restored backup must not forget; None for a database without one.
    """

    journals: JournalFiles | None = None
    mirror: Mirror | None = None

    def __init__(
        self,
        url: str,
        limits: Limits,
        pools: dict[str, Pool],
        logins: Mapping[str, str],
        contents: RecordSeal,
    ) -> None:
        self.url = url
        self.contents = contents
        self.limits = limits
        self.logins = logins
        self.parameters = Parameters()
        self.turns = Turns(limits.searches_at_once_max, TURN_SECONDS)
        self.restricting = Turns(1, TURN_SECONDS, "changes or previews of restrictions")
        self.shares = Shares(limits.large_work_ms_per_minute_max / 1000)
        self._pools = pools
        roles = (WIDE, BOUND)
        self._reads = {role: Together(pools[role], _READ, together_max=32, lanes_max=2) for role in roles}
        self._searches = {role: Together(pools[role], _SEARCH, together_max=6, lanes_max=3) for role in roles}

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Connection]:
        """Lend a node-wide connection for what is no personal data: jobs, ledger, peers, counts."""
        with storage_errors():
            async with self._pools[WIDE].lend() as connection:
                yield connection

    async def bring_in(self) -> None:
        """Bring in every leaf that is durable in a file, so that whoever reads the audit next finds it."""
        if self.journals is not None:
            async with self.system() as connection:
                await self.journals.bring_in(connection)

    async def read(self, grant: Grant, resource_type: str, resource_id: str) -> asyncpg.Record | None:
        """Return the row (place, compartment, version, updated, deleted, others, source, source_id, content).

        None where there is no such resource, or the grant may not know of it.
        """
        rows = await self._together(self._reads, grant, resource_type, resource_id)
        return rows[0] if rows else None

    async def search_record(
        self, grant: Grant, patient: str, resource_type: str, tokens: Sequence[int], count: int
    ) -> list[asyncpg.Record]:
        """Return the newest `count` resources of a record that have all the tokens, the newest first.

        The patient's token is one of them. Resources without a date come last. A row is (place, id, version,
        updated, others, source, source_id, date, content), `others` None where there are none (schema 0049).
        """
        having_all = "{" + ",".join(map(str, tokens)) + "}"
        return await self._together(self._searches, grant, patient, resource_type, having_all, count)

    async def _together(
        self, ways: dict[str, Together], grant: Grant, *wanted: object
    ) -> list[asyncpg.Record]:
        """Ask in one round trip with other requests, each under its own grant."""
        together = ways[WIDE if grant.patients is None else BOUND]
        try:
            return await together.ask(grant, *wanted)
        except (asyncpg.PostgresError, *_LOST):
            with storage_errors():
                raise

    @asynccontextmanager
    async def reading(self, grant: Grant) -> AsyncIterator[Connection]:
        """Lend a connection that sees what the grant opens. Each statement is its own transaction."""
        with storage_errors():
            role = WIDE if grant.patients is None else BOUND
            async with self._pools[role].lend() as connection:
                if role is BOUND:
                    await connection.fetchrow(_SET_BOUND, *settings_of(connection, grant))
                try:
                    yield connection
                except asyncpg.InsufficientPrivilegeError as error:
                    if is_refused(error):
                        connection.terminate()
                    raise

    async def listening(self) -> Connection:
        """Open a node-wide connection of no pool, for notifications; whoever asks for it closes it."""
        return await asyncpg.connect(self.url, server_settings={"role": WIDE})

    @asynccontextmanager
    async def loading(self, grant: Grant) -> AsyncIterator[Connection]:
        """Lend the owner's connection for COPY, which PostgreSQL refuses under row-level security.

        Only for `Action.LOAD`, which is node-wide by its nature, in a process that opened the database so.
        """
        assert grant.action is Action.LOAD
        assert grant.patients is None
        assert OWNER in self._pools, "this process serves: open the database with the roles of LOADING"
        with storage_errors():
            async with self._pools[OWNER].lend() as connection:
                yield connection

    @asynccontextmanager
    async def sweeping(self) -> AsyncIterator[Connection]:
        """Lend a connection for VACUUM, however long that takes."""
        async with self.system() as connection:
            await connection.execute("SET statement_timeout = 0")
            try:
                yield connection
            finally:
                if not connection.is_closed():
                    await connection.execute("RESET statement_timeout")

    @asynccontextmanager
    async def writing(self, grant: Grant) -> AsyncIterator[Connection]:
        """Lend a connection in one transaction: committed on leaving, rolled back on an exception."""
        async with self.reading(grant) as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except (SalusError, asyncpg.PostgresError):
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            try:
                await transaction.commit()
            except _LOST as error:
                raise StorageUnavailable(
                    "The database was lost while it saved the change, which is there whole or not at all: "
                    "read before you send it again."
                ) from error


@asynccontextmanager
async def open_database(
    place: Path | str,
    *,
    limits: Limits | None = None,
    connections_max: int = 16,
    migrated: bool = True,
    seal: Seal = IN_CLEAR,
    contents: RecordSeal = CONTENTS_IN_CLEAR,
    roles: Sequence[str] = SERVING,
    applications: Mapping[str, str] = NODES_OWN,
    password: str = "",
    search_key: bytes = b"",
) -> AsyncIterator[Database]:
    """Open the node's database and bring its schema up to date.

    Args:
        place: the node's folder (embedded server under `place`/postgres, started when it does not run and
            stopped when its last user leaves) or a URL `postgresql://...` of PostgreSQL 15 or newer.
        limits: `statement_timeout_ms` is used.
        connections_max: most connections of each role.
        migrated: bring the schema up to date first.
        seal: of the audit's records.
        contents: seals what is written, and opens it; what an older version left in clear is sealed here.
        roles: whose connections may be opened, `SERVING` or `LOADING`.
        applications: URL of the login that serves in each role, if the operator made them; else the node
            makes them.
        password: of the logins that the node makes; an embedded server asks for none.
        search_key: of search hashes, for what an update must index anew.

    Raises:
        SettingsInvalid: the server is too old, its schema newer than this Salus, or a login that serves is
            not there, may do too much or cannot be made.
        StorageUnavailable: the server cannot be started or reached.
    """
    limits = limits or Limits()
    key = GrantKey()
    async with AsyncExitStack() as stack:
        owner, restart = await stack.enter_async_context(_server(place))
        urls = dict(applications) or {role: application_url(owner, password, role) for role in ROLES}
        logins = {role: login_of(url) for role, url in urls.items()}
        with storage_errors():
            async with first_connection(owner, restart) as connection:
                if migrated:
                    await prepare(connection, None if applications else password, search_key, contents)
                await register(connection, key)
            if migrated:
                for role in ROLES:
                    await check(urls[role], role, logins)
        pools = {
            role: Pool(
                partial(_connect, urls.get(role, owner), role, limits, restart, (seal, contents), key),
                connections_max,
            )
            for role in roles
        }
        for pool in pools.values():
            stack.push_async_callback(pool.close)
        database = Database(urls[WIDE], limits, pools, logins, contents)
        if contents.keys is not None:
            async with database.system() as connection:
                await require_own(connection, contents.keys)
        keeping = asyncio.create_task(_keep(database, key), name="grant key")
        stack.push_async_callback(_end, keeping)
        yield database


async def _keep(database: Database, key: GrantKey) -> None:
    """Say now and then that the key is in use, so that no process that starts takes it for a dead one's."""
    while True:
        await asyncio.sleep(_KEEP_EVERY_SECONDS)
        with suppress(SalusError, asyncpg.PostgresError):  # there is a next time for days
            async with database.system() as connection:
                await keep(connection, key)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class _Restart:
    """Starts an embedded server again that shut itself down, for all who miss it, now and then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = asyncio.Lock()
        self._tried_at = -_RESTART_EVERY_SECONDS

    async def __call__(self) -> None:
        async with self._turn:
            if monotonic() - self._tried_at < _RESTART_EVERY_SECONDS:
                return
            with suppress(StorageUnavailable):  # who asked finds that it cannot be reached
                await asyncio.to_thread(start_again, self._folder)
            self._tried_at = monotonic()


async def _connect(
    url: str,
    role: str,
    limits: Limits,
    restart: _Restart | None,
    seals: tuple[Seal, RecordSeal],
    key: GrantKey,
) -> Connection:
    try:
        return await _connect_as(url, role, limits, seals, key)
    except NOT_THERE:
        if restart is None:
            raise
    await restart()
    return await _connect_as(url, role, limits, seals, key)


class _Knowing(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that knows how audit and contents are sealed and its own grants are signed.

    See `store.sealing.seal_of`, `store.record_seal.record_seal_of` and `store.granted.settings_of`.
    """

    __slots__ = ("contents", "seal", "signing")
    seal: Seal
    contents: RecordSeal
    signing: Signing | None


async def _connect_as(
    url: str, role: str, limits: Limits, seals: tuple[Seal, RecordSeal], key: GrantKey
) -> Connection:
    timeout_ms = _LOADING_TIMEOUT_MS if role == OWNER else limits.statement_timeout_ms
    made = await asyncpg.connect(
        url,
        connection_class=_Knowing,
        timeout=CONNECT_SECONDS_MAX,
        server_settings={
            "role": role,
            "statement_timeout": str(timeout_ms),
            "application_name": "salus",
            "timezone": "UTC",
        },
    )
    made.seal, made.contents = seals
    await opens(made, made.contents)
    made.signing = await signing_for(made, key) if role == BOUND else None
    return made


@asynccontextmanager
async def _server(place: Path | str) -> AsyncIterator[tuple[str, _Restart | None]]:
    """Yield the URL, and how to start the server again if it is this folder's own."""
    if str(place).startswith(("postgresql://", "postgres://")):
        yield str(place), None
        return
    server = embedded_server(Path(place))
    url = await asyncio.to_thread(server.__enter__)
    try:
        yield url, _Restart(Path(place))
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)
