"""Encrypted content opens with the key and the algorithms that were asked for, and is bounded."""

import json

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, OKPKey, RSAKey

from salus.core.errors import NotAuthenticated
from salus.standards.jose.encoding import decode, encode
from salus.standards.jose.encryption import (
    ENCRYPTIONS,
    open_agreed,
    open_direct,
    seal_agreed,
    seal_direct,
)

KEY = ECKey.generate_key("P-256")
PUBLIC = KEY.as_dict(private=False)
SECRET = bytes(range(32))


def reopened(token):
    return open_agreed(token, KEY, encryptions=ENCRYPTIONS)


@pytest.mark.parametrize("enc", sorted(ENCRYPTIONS))
def test_content_is_sealed_to_a_public_key_and_opened(enc):
    opened = reopened(seal_agreed(b"secret", PUBLIC, enc=enc, headers={"kid": "k"}))
    assert (opened.plaintext, opened.header["kid"]) == (b"secret", "k")


def test_content_is_sealed_to_elliptic_keys_only():
    for key in (OKPKey.generate_key("Ed25519"), ECKey.generate_key("P-521"), RSAKey.generate_key(2048)):
        with pytest.raises(NotAuthenticated):
            seal_agreed(b"secret", key.as_dict(private=False), enc="A256GCM")


def test_every_altered_part_is_refused():
    parts = seal_agreed(b"secret", PUBLIC, enc="A256GCM").split(".")
    for place, part in enumerate(parts):
        body = decode(part)
        for changed in (bytes([body[0] ^ 1]) + body[1:], body[:-1]) if body else (b"x",):
            with pytest.raises(NotAuthenticated):
                reopened(".".join([*parts[:place], encode(changed), *parts[place + 1 :]]))


def with_header(token, **changes):
    head, _, rest = token.partition(".")
    members = json.loads(decode(head)) | changes
    return f"{encode(json.dumps({k: v for k, v in members.items() if v is not None}).encode())}.{rest}"


@pytest.mark.parametrize(
    "changes",
    [
        {"epk": None},
        {"epk": {**PUBLIC, "y": PUBLIC["x"]}},
        {"epk": ECKey.generate_key("P-384").as_dict(private=False)},
        {"epk": ECKey.generate_key("P-256").as_dict(private=True)},
        {"epk": {**PUBLIC, "crv": 1}},
        {"crit": ["exp"], "exp": 1},
        {"zip": "GZIP"},
        {"jwk": PUBLIC},
        {"apu": 1},
    ],
)
def test_a_header_that_cannot_be_right_is_refused(changes):
    with pytest.raises(NotAuthenticated):
        reopened(with_header(seal_agreed(b"secret", PUBLIC, enc="A256GCM"), **changes))


@pytest.mark.parametrize(
    ("alg", "enc"), [("ECDH-ES+A128KW", "A128GCM"), ("ECDH-ES", "A128CBC-HS256"), ("ECDH-ES", "A192GCM")]
)
def test_what_the_node_does_not_offer_is_refused_as_that(alg, enc):
    token = jwe.encrypt_compact({"alg": alg, "enc": enc}, b"x", KEY, algorithms=[alg, enc])
    with pytest.raises(NotAuthenticated, match="none that this node takes"):
        reopened(token)


def test_another_algorithm_than_was_asked_for_is_refused():
    with pytest.raises(NotAuthenticated):
        open_agreed(seal_agreed(b"x", PUBLIC, enc="A128GCM"), KEY, encryptions=frozenset({"A256GCM"}))
    with pytest.raises(NotAuthenticated):
        reopened(seal_direct(b"x", SECRET, enc="A256GCM"))
    with pytest.raises(NotAuthenticated):
        open_direct(seal_agreed(b"x", PUBLIC, enc="A256GCM"), SECRET, encryptions=ENCRYPTIONS)


def test_packed_content_opens_up_to_its_limit():
    token = seal_direct(b"x" * 300_000, SECRET, enc="A256GCM", headers={"zip": "DEF"})
    assert len(token) < 2_000
    assert len(open_direct(token, SECRET, encryptions=ENCRYPTIONS).plaintext) == 300_000
    with pytest.raises(Exception, match=r"more than 1000 bytes|too long"):
        open_direct(token, SECRET, encryptions=ENCRYPTIONS, bytes_max=1_000)


def test_large_content_opens_and_a_key_of_another_length_is_refused():
    token = seal_direct(b"x" * 1_000_000, SECRET, enc="A256GCM")
    assert len(open_direct(token, SECRET, encryptions=ENCRYPTIONS).plaintext) == 1_000_000
    for key in (SECRET[:16], b"", bytes(32)):
        with pytest.raises(NotAuthenticated):
            open_direct(token, key, encryptions=ENCRYPTIONS)
