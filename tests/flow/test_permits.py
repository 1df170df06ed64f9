"""Data permits: who issues them, what they may name, and that the names under two of them share nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from salus.cli.main import main
from salus.cli.node import make_node
from salus.core.access import Purpose, Role
from salus.core.errors import AccessRefused, Conflict, InvalidSearch, NotFound
from salus.node import open_services
from salus.settings import Settings
from salus.store.ledger import leaf_in
from salus.trust import permits
from salus.trust.permits import Wish, terms
from salus.trust.pseudonyms import pseudonym

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WISH = Wish("University of Tartu", ("e",), ("a", "f"), NOW + timedelta(days=365))


class Hand:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Hand()


@pytest.fixture
def folder(tmp_path, database_url):
    settings = Settings(
        node="ee-1", name="Node", country="EE", base_url="http://node.test", port=9, database=database_url,
    )  # fmt: skip
    make_node(tmp_path, settings)
    return tmp_path


@pytest.fixture
async def services(folder, clock):
    async with open_services(folder, clock) as (_, opened):
        yield opened


@pytest.fixture
def body(caller):
    return caller(Role.ACCESS_BODY, purpose=Purpose.OPERATIONS)


def door(services):
    return services.gatehouse, services.database


async def whats(services):
    await services.database.bring_in()
    async with services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
    return [leaf_in(connection, row["entry"]).what for row in rows]


@pytest.mark.clause("EHDS 66(3)")
async def test_the_names_under_two_permits_share_nothing_and_end_with_the_permit(services, body, clock):
    one, two = [await permits.issue(*door(services), body, WISH) for _ in range(2)]
    first, second = [await permits.pseudonyms(*door(services), body, permit.id) for permit in (one, two)]
    people = [f"p{number}" for number in range(100)]
    names = [{name(person) for person in people} for name in (first, second)]
    assert [len(each) for each in names] == [100, 100]
    assert names[0] & names[1] == set()
    again = await permits.pseudonyms(*door(services), body, one.id)
    assert [again(person) for person in people] == [first(person) for person in people]

    await permits.end(*door(services), body, one.id, "The study was stopped.")
    with pytest.raises(Conflict, match="gives no pseudonyms"):
        await permits.pseudonyms(*door(services), body, one.id)
    assert services.database.contents.keys.of(f"permit/{one.id}") is None
    assert (await permits.pseudonyms(*door(services), body, two.id))("p1") == second("p1")
    for refused in (
        permits.end(*door(services), body, one.id, "x"),
        permits.end(*door(services), body, "no", "x"),
    ):
        with pytest.raises((Conflict, NotFound)):
            await refused

    # A backup of the key store from before brings the key back: the next sweep destroys it again.
    wrapped, _ = services.database.contents.keys.make(f"permit/{one.id}")
    services.database.contents.keys.keep([wrapped])
    await permits.end_expired(*door(services), issuer=services.base_url)
    assert services.database.contents.keys.of(f"permit/{one.id}") is None

    clock.now += timedelta(days=366)
    assert await permits.end_expired(*door(services), issuer=services.base_url) == 1
    assert await permits.end_expired(*door(services), issuer=services.base_url) == 0
    assert services.database.contents.keys.counts().destroyed >= 2
    told = await whats(services)
    for permit, events in (
        (one, ("issued", "key made", "ended", "key destroyed")),
        (two, ("issued", "key destroyed")),
    ):
        assert {f"permit/{permit.id} {event}" for event in events} <= set(told)
    assert "p1" not in json.dumps(told)


def test_a_name_is_the_hmac_of_the_permits_key():
    """RFC 2104 by hashlib's own HMAC, of the octets that the module says."""
    key, message = bytes(range(32)), b"salus/permit-pseudonym/v1\x00perm\x00p1"
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key.ljust(64, b"\0")) + message).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in key.ljust(64, b"\0")) + inner).digest()
    assert pseudonym(key, "perm", "p1") == urlsafe_b64encode(outer).rstrip(b"=").decode()
    assert outer == hmac.digest(key, message, "sha256")


WRONG = (
    {"holder": " "}, {"purposes": ()}, {"purposes": ("z",)}, {"categories": ()}, {"categories": ("z",)},
    {"purposes": ("a",)}, {"ends_at": NOW}, {"ends_at": NOW + timedelta(days=3700)},
    {"ends_at": datetime(2027, 1, 1)},
)  # fmt: skip


@pytest.mark.clause("EHDS 68")
async def test_what_no_permit_may_name_is_refused_and_so_is_whoever_is_no_access_body(services, body, caller):
    for wrong in WRONG:
        with pytest.raises(InvalidSearch):
            await permits.issue(*door(services), body, msgspec.structs.replace(WISH, **wrong))
    for role in sorted(set(Role) - {Role.ACCESS_BODY}):
        who = caller(role, purpose=Purpose.OPERATIONS)
        with pytest.raises((AccessRefused, NotFound)):
            await permits.issue(*door(services), who, WISH)
    assert await permits.list_permits(*door(services), body) == []


async def test_a_public_body_may_and_a_permit_is_extended_once(services, body):
    public = msgspec.structs.replace(WISH, purposes=("a", "c"), is_public_body=True)
    permit = await permits.issue(*door(services), body, public)
    later = permit.ends_at + timedelta(days=30)
    await permits.extend(*door(services), body, permit.id, later)
    for again in (later + timedelta(days=1), later - timedelta(days=1)):
        with pytest.raises(Conflict):
            await permits.extend(*door(services), body, permit.id, again)
    with pytest.raises(InvalidSearch):
        await permits.extend(*door(services), body, permit.id, NOW + timedelta(days=4000))
    assert [each.ends_at for each in await permits.list_permits(*door(services), body)] == [later]


def test_the_table_names_what_the_articles_name():
    assert list(terms().purposes) == list("abcdef")
    assert list(terms().categories) == list("abcdefghijklmnopq")


def test_the_command_line_issues_and_ends(folder, capsys):
    data = ["--data", str(folder)]
    issue = [
        "permit",
        "issue",
        "--holder",
        "Tartu",
        "--purpose",
        "e",
        "--category",
        "a",
        "--until",
        "2030-01-01T00:00:00Z",
    ]
    assert main([*issue, *data]) == 0
    identity = capsys.readouterr().out.split()[1]
    assert main(["permit", "extend", identity, "--until", "2031-01-01T00:00:00Z", *data]) == 0
    assert main(["permit", "end", identity, "--reason", "Done.", *data]) == 0
    assert main(["permit", "end", identity, *data]) == 1
    assert main(["permit", "list", *data]) == 0
    assert "Done." in capsys.readouterr().out
