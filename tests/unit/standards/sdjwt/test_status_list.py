"""Status lists say of each credential whether it still counts (draft-ietf-oauth-status-list)."""

import zlib
from itertools import count

import pytest
from joserfc.jwk import ECKey
from tests.unit.standards.jose.authority import NOW as AUTHORITY_NOW
from tests.unit.standards.jose.authority import certificate, key

from salus.core.errors import NotAuthenticated
from salus.standards.jose.certificates import write_chain
from salus.standards.jose.compact import sign
from salus.standards.jose.encoding import encode
from salus.standards.sdjwt.status_list import (
    Status,
    StatusReference,
    check_status,
    read_status_list,
    status_of,
    write_status_list,
)

NOW = 1_790_000_000
URI = "https://pid.example/status/1"
KEY = ECKey.generate_key("P-256")
KEYS = [KEY.as_dict(private=False) | {"kid": "k"}]


def listed(token, uri=URI, now=NOW):
    return read_status_list(token, KEYS, uri=uri, now=now)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_status_is_found_at_its_place(bits):
    statuses = [number % 2 if bits == 1 else number % 3 for number in range(21)]
    token = write_status_list(statuses, KEY, kid="k", uri=URI, bits=bits, now=NOW, seconds=600)
    found = listed(token)
    assert [found.status(StatusReference(URI, index)) for index in range(21)] == statuses
    assert (found.seconds, found.expires_at) == (600, NOW + 600)


def test_bits_are_packed_as_the_draft_prints_them():
    # Section 4.1: 16 statuses of one bit, and 12 of two bits.
    one = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    two = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]
    for statuses, bits, packed in ((one, 1, b"\xb9\xa3"), (two, 2, b"\xc9\x44\xf9")):
        token = write_status_list(statuses, KEY, kid="k", uri=URI, bits=bits, now=NOW, seconds=60)
        assert listed(token).packed == packed


def test_a_place_in_another_list_or_past_the_end_is_no_status():
    found = listed(write_status_list([0] * 8, KEY, kid="k", uri=URI, bits=1, now=NOW, seconds=60))
    assert found.status(StatusReference(URI, 7)) == Status.VALID
    for reference in (StatusReference(URI, 8), StatusReference(URI + "2", 0)):
        with pytest.raises(NotAuthenticated):
            found.status(reference)


def test_a_credential_counts_while_a_fresh_list_says_so():
    found = listed(write_status_list([0, 1, 2], KEY, kid="k", uri=URI, bits=2, now=NOW, seconds=60))
    check_status(StatusReference(URI, 0), found, fetched_at=NOW, now=NOW + 59)
    for index, now in ((1, NOW), (2, NOW), (4, NOW), (0, NOW + 60)):
        with pytest.raises(NotAuthenticated):
            check_status(StatusReference(URI, index), found, fetched_at=NOW, now=now)


def test_a_list_is_fetched_anew_after_its_time_to_live():
    found = listed(token(ttl=60))
    check_status(StatusReference(URI, 0), found, fetched_at=NOW, now=NOW + 60)
    with pytest.raises(NotAuthenticated):
        check_status(StatusReference(URI, 0), found, fetched_at=NOW, now=NOW + 61)


def token(typ="statuslist+jwt", **changes):
    claims = {
        "sub": URI,
        "iat": NOW,
        "status_list": {"bits": 1, "lst": encode(zlib.compress(b"\x00"))},
    } | changes
    return sign({k: v for k, v in claims.items() if v is not None}, KEY, kid="k", typ=typ)


@pytest.mark.parametrize(
    "wrong",
    [
        token("JWT"),
        token(sub=URI + "2"),
        token(iat=NOW + 61),
        token(iat=None),
        token(exp=NOW - 60),
        token(exp="never"),
        token(status_list=None),
        token(status_list={"bits": 3, "lst": encode(zlib.compress(b"\x00"))}),
        token(status_list={"bits": [1], "lst": encode(zlib.compress(b"\x00"))}),
        token(status_list={"bits": True, "lst": encode(zlib.compress(b"\x00"))}),
        token(status_list={"bits": 1, "lst": encode(b"\x00")}),
        token(status_list={"bits": 1, "lst": encode(zlib.compress(b"\x00" * 17_000_000))}),
        token().rpartition(".")[0] + ".AAAA",
    ],
    ids=count(),
)
def test_a_list_that_breaks_a_rule_is_refused(wrong):
    with pytest.raises(NotAuthenticated):
        listed(wrong)


def test_a_list_may_be_signed_by_a_certified_key():
    root, publisher = key(), key()
    anchor = certificate("authority", root, "authority", root, is_ca=True)
    chain = [certificate("publisher", publisher, "authority", root)]
    claims = {
        "sub": URI,
        "iat": int(AUTHORITY_NOW),
        "status_list": {"bits": 1, "lst": encode(zlib.compress(b"\x00"))},
    }
    signed = sign(
        claims, ECKey.import_key(publisher), kid="", typ="statuslist+jwt", headers={"x5c": write_chain(chain)}
    )
    found = read_status_list(signed, [], uri=URI, now=AUTHORITY_NOW, anchors=[anchor])
    assert found.status(StatusReference(URI, 0)) == Status.VALID
    for anchors in ([], [certificate("authority", publisher, "authority", publisher, is_ca=True)]):
        with pytest.raises(NotAuthenticated):
            read_status_list(signed, KEYS, uri=URI, now=AUTHORITY_NOW, anchors=anchors)


def test_a_credential_without_status_has_none():
    assert status_of({}) is None
    assert status_of({"status": {"status_list": {"uri": URI, "idx": 0}}}) == StatusReference(URI, 0)
