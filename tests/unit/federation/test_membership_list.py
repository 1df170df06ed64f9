"""The membership list: signed, only ever newer, and what it says is honoured."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from joserfc.jwk import ECKey

from salus.core.errors import AccessRefused, Conflict, MalformedContent, NotAuthenticated
from salus.federation.membership_list import (
    Member,
    MembershipList,
    key_id,
    newer,
    read_list,
    read_request,
    sign_list,
    sign_request,
    with_member,
    without_member,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
ANCHOR, NODE_KEY = ECKey.generate_key("P-384"), ECKey.generate_key("P-384")


def public(key):
    jwk = key.as_dict(private=False)
    return {name: jwk[name] for name in ("kty", "crv", "x", "y")} | {"kid": key_id(jwk)}


def member(node="ee-1", **changes):
    fields = {
        "country": "EE",
        "name": "Estonia",
        "base_url": "https://ee.example",
        "keys": [public(NODE_KEY)],
    }
    return Member(**{"node": node, **fields, "valid_until": LATER, **changes})


def a_list(*members, version=1, expires_at=LATER):
    return MembershipList("demo", version, NOW, expires_at, members)


def test_a_signed_list_is_read_back_as_it_was():
    signed = a_list(member(), member("pt-1", base_url="http://127.0.0.1:8080"))
    assert read_list(sign_list(signed, ANCHOR), public(ANCHOR)) == signed


def test_a_list_signed_by_another_key_is_refused():
    forged = sign_list(a_list(member()), ECKey.generate_key("P-384"))
    with pytest.raises(NotAuthenticated):
        read_list(forged, public(ANCHOR))


def test_a_join_request_does_not_pass_as_a_list():
    request = sign_request(member(), NODE_KEY)
    with pytest.raises(NotAuthenticated, match="typ"):
        read_list(request, public(NODE_KEY))


@pytest.mark.parametrize(
    ("known", "offered", "refused"),
    [
        (None, a_list(version=5), None),
        (a_list(version=5), a_list(version=6), None),
        (a_list(version=5), a_list(version=5), None),
        (a_list(version=5), a_list(version=4), "older"),
        (a_list(version=5), a_list(member(), version=5), "two different lists"),
        (a_list(), msgspec.structs.replace(a_list(version=9), federation="other"), "federation"),
    ],
)
def test_only_a_newer_list_of_the_same_federation_replaces_the_known_one(known, offered, refused):
    if refused is None:
        assert newer(known, offered) == offered
    else:
        with pytest.raises(Conflict, match=refused):
            newer(known, offered)


@pytest.mark.parametrize(
    ("members", "at", "state"),
    [
        ([member()], NOW, "active"),
        ([], NOW, "unknown"),
        ([member(valid_until=NOW)], NOW, "expired"),
        ([member(status="revoked")], NOW, "revoked"),
        ([member()], LATER, "expired"),
    ],
)
def test_only_an_active_member_of_a_list_in_force_is_admitted(members, at, state):
    current = a_list(*members)
    assert current.state("ee-1", at) == state
    if state == "active":
        assert current.admitted("ee-1", at) == members[0]
    else:
        with pytest.raises(AccessRefused, match=state):
            current.admitted("ee-1", at)


def test_revoking_makes_a_newer_list_that_still_names_the_node():
    admitted = with_member(a_list(), member(), now=NOW, expires_at=LATER)
    revoked = without_member(admitted, "ee-1", now=NOW, expires_at=LATER)
    assert [admitted.version, revoked.version] == [2, 3]
    assert revoked.state("ee-1", NOW) == "revoked"
    with pytest.raises(Conflict, match="not on the list"):
        without_member(admitted, "xx-1", now=NOW, expires_at=LATER)


def test_a_join_request_proves_that_the_node_holds_its_key():
    assert read_request(sign_request(member(), NODE_KEY)) == member()
    stolen = sign_request(member(), NODE_KEY).rsplit(".", 1)[0] + "." + "A" * 128
    with pytest.raises(NotAuthenticated):
        read_request(stolen)


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "http://ee.example"},
        {"keys": []},
        {"keys": [ECKey.generate_key("P-256").as_dict(private=False) | {"kid": "k"}]},
        {"keys": [NODE_KEY.as_dict(private=True) | {"kid": "k"}]},
    ],
)
def test_a_member_with_a_wrong_address_or_key_is_never_signed(changes):
    with pytest.raises(MalformedContent):
        sign_list(a_list(member(**changes)), ANCHOR)


STEERING = [
    {"node": "ee-1\x1b[2J"},
    {"node": "ee-1,pt-1"},
    {"name": "Estonia\x1b]0;owned\x07"},
    {"name": "Estonia\nfr-1  active"},
    {"name": "\u202eainotsE"},
    {"country": "E\x9b"},
    {"base_url": "https://ee.example/\x1b[2J"},
    {"base_url": "https://ee.example/a b"},
]


@pytest.mark.parametrize("changes", STEERING, ids=lambda changes: ascii(changes))
def test_a_member_whose_words_could_steer_a_terminal_is_refused(changes):
    with pytest.raises(MalformedContent):
        sign_list(a_list(member(**changes)), ANCHOR)
    with pytest.raises(MalformedContent):
        sign_request(member(**changes), NODE_KEY)


def test_a_federation_whose_name_could_steer_a_terminal_is_refused():
    signed = sign_list(msgspec.structs.replace(a_list(member()), federation="demo\x1b[2J"), ANCHOR)
    with pytest.raises(MalformedContent, match="control"):
        read_list(signed, public(ANCHOR))
