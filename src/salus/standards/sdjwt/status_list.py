"""Token Status Lists: whether a credential still counts (draft-ietf-oauth-status-list, sections 4 to 8).

A list is an array of 1, 2, 4 or 8 bits a credential, lowest bits of a byte first, packed with zlib.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import msgspec
from cryptography.x509 import Certificate
from joserfc.jwk import ECKey

from salus.core.addresses import is_callable_address
from salus.core.errors import MalformedContent, NotAuthenticated, TooLarge
from salus.standards.jose.certificates import certified_key
from salus.standards.jose.compact import Signed, claims_of, moment, sign
from salus.standards.jose.encoding import decode, encode, inflate
from salus.standards.jose.keys import Jwk, select
from salus.standards.jose.signature import check_signature, take_apart
from salus.standards.sdjwt.presentation import HEADER_SIZE_MAX, SIGNATURES

TYPE = "statuslist+jwt"
BITS = frozenset({1, 2, 4, 8})
BYTES_MAX = 16 * 1024 * 1024
SIZE_MAX = 16 * 1024 * 1024
URI_LENGTH_MAX = 2_048


class Status(IntEnum):
    """Section 7.1; values from 3 on are of the application, and are no reason to trust."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2


class StatusReference(msgspec.Struct, frozen=True):
    """Where a credential's status is: the list's address and the position in it."""

    uri: str
    index: int


class StatusList(msgspec.Struct, frozen=True):
    """A list that its issuer signed.

    Args:
        uri: its address.
        bits: of each status.
        packed: the statuses.
        issued_at: in seconds since 1970.
        expires_at: after which it says nothing any more; None when it does not end.
        seconds: how long it may be used before a newer one is fetched (`ttl`); None when it does not say.
    """

    uri: str
    bits: int
    packed: bytes
    issued_at: float
    expires_at: float | None
    seconds: float | None

    def status(self, reference: StatusReference) -> int:
        """Return the status at the position.

        Raises:
            NotAuthenticated: the reference is to another list, or past the end of this one.
        """
        if reference.uri != self.uri or reference.index * self.bits >= len(self.packed) * 8:
            raise NotAuthenticated("the credential's status is in no list that is at hand")
        place = reference.index * self.bits
        return self.packed[place // 8] >> place % 8 & (1 << self.bits) - 1


def status_of(claims: Mapping[str, Any]) -> StatusReference | None:
    """Return where the credential's status is published (section 6.2), None when it names no place.

    Raises:
        NotAuthenticated: it names one in a way that cannot be followed; it must not pass as unrevoked.
    """
    if "status" not in claims:
        return None
    found = claims["status"].get("status_list") if isinstance(claims["status"], dict) else None
    uri, index = (found.get("uri"), found.get("idx")) if isinstance(found, dict) else (None, None)
    if not isinstance(uri, str) or len(uri) > URI_LENGTH_MAX or not is_callable_address(uri):
        raise NotAuthenticated("the credential's status must be in a status list at an https address")
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise NotAuthenticated("the credential's place in its status list must be a number from 0 on")
    return StatusReference(uri, index)


def read_status_list(
    token: str,
    keys: Sequence[Jwk],
    *,
    uri: str,
    now: float,
    anchors: Sequence[Certificate] = (),
    skew_seconds: int = 60,
) -> StatusList:
    """Return the status list of a token (sections 5.1 and 8.3).

    Args:
        token: as fetched from the address.
        keys: of whoever may publish the list.
        uri: its address, which the token must name.
        now: the present, in seconds since 1970.
        anchors: certificates of the authorities whose certified publishers (x5c) are trusted as well.
        skew_seconds: tolerated difference of clocks.

    Raises:
        NotAuthenticated: the token is of another list, stale, not signed by one of the keys, or no list.
    """
    signed = _verified(token, keys, anchors, now)
    claims = signed.claims
    if signed.header.get("typ") != TYPE or claims.get("sub") != uri:
        raise NotAuthenticated("the token is no status list, or one of another address")
    issued_at = moment(claims, "iat")
    expires_at = moment(claims, "exp") if "exp" in claims else None
    if issued_at > now + skew_seconds or (expires_at is not None and expires_at + skew_seconds <= now):
        raise NotAuthenticated("the status list is stale, or from the future")
    seconds = moment(claims, "ttl") if "ttl" in claims else None
    bits, packed = _unpacked(claims.get("status_list"))
    return StatusList(uri, bits, packed, issued_at, expires_at, seconds)


def check_status(reference: StatusReference, found: StatusList, *, fetched_at: float, now: float) -> None:
    """Return when a credential counts by a list that is fresh enough to say so (section 8.3).

    Args:
        reference: of the credential.
        found: the list, verified.
        fetched_at: when it was fetched, in seconds since 1970.
        now: the present, in seconds since 1970.

    Raises:
        NotAuthenticated: the credential was revoked or suspended, or the list is too old to tell.
    """
    is_stale = found.seconds is not None and fetched_at + found.seconds < now
    if is_stale or (found.expires_at is not None and found.expires_at <= now):
        raise NotAuthenticated("the status list is too old; fetch it anew")
    if found.status(reference) != Status.VALID:
        raise NotAuthenticated("the credential was revoked or suspended by its issuer")


def write_status_list(
    statuses: Sequence[int], key: ECKey, *, kid: str, uri: str, bits: int, now: float, seconds: int
) -> str:
    """Return the signed token of a list that counts for `seconds`."""
    assert bits in BITS
    packed = bytearray((len(statuses) * bits + 7) // 8)
    for index, status in enumerate(statuses):
        assert 0 <= status < 1 << bits
        packed[index * bits // 8] |= status << index * bits % 8
    claims = {"sub": uri, "iat": int(now), "exp": int(now) + seconds, "ttl": seconds}
    claims["status_list"] = {"bits": bits, "lst": encode(zlib.compress(bytes(packed), 9))}
    return sign(claims, key, kid=kid, typ=TYPE)


def _verified(token: str, keys: Sequence[Jwk], anchors: Sequence[Certificate], now: float) -> Signed:
    parts = take_apart(token, size_max=SIZE_MAX, header_size_max=HEADER_SIZE_MAX)
    if "x5c" in parts.header:
        key: Jwk = certified_key(parts.header["x5c"], anchors=anchors, now=now)[0]
    else:
        is_only = "kid" not in parts.header and len(keys) == 1
        key = keys[0] if is_only else select(keys, parts.header.get("kid"))
    check_signature(parts, key, algorithms=SIGNATURES, understood=frozenset({"x5c"}))
    return Signed(parts.header, claims_of(parts.payload))


def _unpacked(found: object) -> tuple[int, bytes]:
    members = found if isinstance(found, dict) else {}
    bits, packed = members.get("bits"), members.get("lst")
    if type(bits) is not int or bits not in BITS or not isinstance(packed, str):
        raise NotAuthenticated("status_list must hold 1, 2, 4 or 8 bits a status, and the list")
    try:
        return bits, inflate(decode(packed), bytes_max=BYTES_MAX, raw=False)
    except (MalformedContent, TooLarge) as error:
        raise NotAuthenticated(f"the status list cannot be read: {error.message}") from error
