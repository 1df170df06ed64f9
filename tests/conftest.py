"""Fixtures for all tests: one embedded PostgreSQL for the session, a fresh migrated database for a test."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import asyncpg
import pytest

from salus.core.access import Action, Caller, Grant, Purpose, Role
from salus.store.embedded import embedded_server
from salus.store.keystore import KeyStore
from salus.store.logins import make_logins
from salus.store.migrations import migrate, migrations
from salus.store.postgres import LOADING, Database, open_database
from salus.store.record_seal import RecordSeal
from salus.trust.audiences import words_of

_NAMES = itertools.count()
_TEMPLATE = "salus_template"
_MEMORY = Path("/dev/shm")
_ROOM_BYTES_MIN = 4 * 2**30
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """As root, PostgreSQL runs under another account, which may not enter pytest's usual folder."""
    if os.geteuid() == 0 and config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix="salus-tests-")
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


@pytest.fixture(scope="session", autouse=True)
def _authorities_read_once() -> Iterator[None]:
    """Read the list of certificate authorities once, not for each HTTP client: it takes 20 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Yield the URL of an embedded server that lives as long as the session, in memory where there is room.

    A database for each test is a thousand small files: in memory it is there three times as soon.
    """
    with (
        tempfile.TemporaryDirectory(prefix="salus-server-", dir=_roomy_memory()) as folder,
        embedded_server(Path(folder) / "data") as url,
    ):
        asyncio.run(_make_template(url))
        yield url


def _roomy_memory() -> str | None:
    """Return a folder that lives in memory and has room for the databases of a worker, or None."""
    try:
        return str(_MEMORY) if shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES_MIN else None
    except OSError:
        return None


async def _make_template(url: str) -> None:
    connection = await asyncpg.connect(url)
    # Nothing here must survive a crash of the machine, and an ordinary disk flushes slowly.
    await connection.execute("ALTER SYSTEM SET fsync = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute(f"CREATE DATABASE {_TEMPLATE}")
    await connection.close()
    template = await asyncpg.connect(url, database=_TEMPLATE)
    await migrate(template, migrations())
    await make_logins(template, "")
    await template.close()


@pytest.fixture
async def database_url(server: str) -> AsyncIterator[str]:
    """Yield the URL of a fresh migrated database."""
    name = f"test_{os.getpid()}_{next(_NAMES)}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy")
        yield server.replace("/postgres?", f"/{name}?")
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
def contents(tmp_path: Path) -> Iterator[RecordSeal]:
    """Yield what seals contents as a node does, with a key store of its own."""
    keys = KeyStore(tmp_path / "keystore of tests", b"the master key of all the tests.")
    yield RecordSeal(keys, b"digests")
    keys.close()


@pytest.fixture
async def database(database_url: str, contents: RecordSeal) -> AsyncIterator[Database]:
    """Yield a fresh migrated database, whose contents are sealed."""
    async with open_database(database_url, migrated=False, roles=LOADING, contents=contents) as opened:
        yield opened


MakeCaller = Callable[..., Caller]
MakeGrant = Callable[..., Grant]


@pytest.fixture
def caller() -> MakeCaller:
    """Return a maker of callers: a clinician unless told otherwise."""

    def make(role: Role = Role.CLINICIAN, **fields: object) -> Caller:
        purposes = {
            Role.CITIZEN: Purpose.PATIENT_REQUEST,
            Role.OPERATOR: Purpose.OPERATIONS,
            Role.AUDITOR: Purpose.OPERATIONS,
        }
        values: dict[str, object] = {
            "subject": "s-1",
            "name": "Mari Tamm",
            "organisation": "Tartu Hospital",
            "issuer": "https://node.test",
            "purpose": purposes.get(role, Purpose.TREATMENT),
        }
        return Caller(role=role, **(values | fields))  # type: ignore[arg-type]  # a test's own words

    return make


@pytest.fixture
def grant(caller: MakeCaller) -> MakeGrant:
    """Return a maker of grants for tests of the store; the node itself has only the gate."""

    def make(
        *patients: str, role: Role = Role.OPERATOR, action: Action = Action.READ, request: str = "request-1"
    ) -> Grant:
        who = caller(role, patient=patients[0] if patients and role is Role.CITIZEN else None)
        opened = frozenset(patients) if patients else None
        nobody = role in (Role.CITIZEN, Role.OPERATOR, Role.AUDITOR)
        audiences = frozenset() if nobody else words_of(who)
        return Grant(request, who, action, opened, "test", NOW, audiences=audiences)

    return make


@pytest.fixture
def shared() -> Path:
    """Return the folder of shared data and suites; skip where it is not."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared (real data and public suites), which is not here")
    return folder
