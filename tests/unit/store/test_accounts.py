"""Accounts are bound once, seen and ended by their citizen, and every step is a leaf."""

from datetime import timedelta

import msgspec
import pytest
from tests.conftest import NOW

from salus.core.access import Action, Role
from salus.core.errors import AccessRefused, AlreadyDone, NotFound
from salus.store import accounts
from salus.store.ledger import decode_entry
from salus.store.login_sessions import (
    LoginSession,
    end_own_sessions,
    follow_session,
    keep_session,
    sessions_of,
    take_session,
)

ANA = {"issuer": "https://id.example", "subject": "s-1", "source": "Example ID", "how": "identifier"}


async def leaves(database):
    async with database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
    return [(leaf.patient, leaf.what) for leaf in (decode_entry(row["entry"]) for row in rows)]


async def test_a_binding_is_found_again_listed_and_ended_with_its_sessions(database, grant):
    mine = grant("ana", role=Role.CITIZEN, action=Action.CREATE)
    await accounts.bind(mine, database, **ANA)
    found = await accounts.account(grant(), database, "https://id.example", "s-1")
    assert (found.patient, found.how, found.ended) == ("ana", "identifier", frozenset())
    login = LoginSession("t-1", "a", "https://id.example", "s-1", "", "token", NOW + timedelta(minutes=30))
    await keep_session(database, login, NOW)
    (listed,) = await accounts.bindings(mine, database)
    assert (listed.source, listed.ended_at) == ("Example ID", None)
    assert await accounts.end(mine, database, listed.id) == ["t-1"]
    assert await take_session(database, "t-1") == ("", "")
    found = await accounts.account(grant(), database, "https://id.example", "s-1")
    assert (found.patient, found.ended) == ("", frozenset({"ana"}))
    assert await leaves(database) == [("ana", "account bound by identifier"), ("ana", "account taken back")]


async def test_an_account_opens_one_record_and_only_ones_own(database, grant):
    await accounts.bind(grant("ana", role=Role.CITIZEN), database, **ANA)
    with pytest.raises(AlreadyDone):
        await accounts.bind(grant("eva", role=Role.CITIZEN), database, **ANA)
    with pytest.raises(AccessRefused):
        await accounts.bind(grant("eva"), database, **(ANA | {"subject": "s-2"}))
    (listed,) = await accounts.bindings(grant("ana"), database)
    with pytest.raises(NotFound):
        await accounts.end(grant("eva", role=Role.CITIZEN), database, listed.id)
    with pytest.raises(AccessRefused):
        await accounts.account(grant("ana", role=Role.CITIZEN), database, "https://id.example", "s-1")


async def test_a_code_is_good_once_and_for_a_while(database, grant):
    until = NOW + timedelta(days=14)
    await accounts.make_code(grant(), database, "ana", b"digest", expires_at=until, seen="passport 1f")
    assert await accounts.use_code(grant(), database, b"digest") == "ana"
    for digest in (b"digest", b"another"):
        with pytest.raises(NotFound):
            await accounts.use_code(grant(), database, digest)
    await accounts.make_code(grant(), database, "ana", b"stale", expires_at=NOW, seen="passport 1f")
    with pytest.raises(NotFound):
        await accounts.use_code(grant(), database, b"stale")
    assert ("ana", "code to bind an account used") in await leaves(database)
    with pytest.raises(AccessRefused):
        await accounts.make_code(grant("eva"), database, "ana", b"x", expires_at=until, seen="passport 1f")


async def test_a_session_that_goes_on_as_another_stays_its_persons_to_end(database, grant):
    login = LoginSession("t-1", "a", "https://id.example", "s-1", "", "", NOW + timedelta(minutes=30), "A")
    await keep_session(database, login, NOW)
    await keep_session(database, msgspec.structs.replace(login, token_id="t-2"), NOW)
    await follow_session(database, "t-1", "t-3", NOW + timedelta(minutes=30))
    asker = grant()
    allowed = msgspec.structs.replace(asker, caller=msgspec.structs.replace(asker.caller, token_id="t-2"))
    assert [one.token_id for one in await sessions_of(allowed, database)] == ["t-2", "t-3"]
    assert await end_own_sessions(allowed, database) == ["t-3"]
    assert [one.token_id for one in await sessions_of(allowed, database)] == ["t-2"]
