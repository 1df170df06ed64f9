"""SMART Health Cards: a FHIR Bundle signed by its issuer, small enough for a QR code.

A card is a compact JWS, ES256, its payload packed with raw DEFLATE (`zip` DEF). In a QR code it is numeric:
each character by its ASCII value less 45, in two digits, in one or several chunks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from salus.core.errors import MalformedContent, NotAuthenticated, TooLarge
from salus.standards.jose.compact import claims_of, moment
from salus.standards.jose.encoding import inflate, read_object
from salus.standards.jose.keys import Jwk, select, thumbprint
from salus.standards.jose.signature import check_signature, take_apart

ALGORITHMS = frozenset({"ES256"})
TYPE = "https://smarthealth.cards#health-card"
CARD_LENGTH_MAX = 1024 * 1024
PAYLOAD_BYTES_MAX = 5 * 1024 * 1024
CHUNKS_MAX = 99
_NUMERIC = re.compile(r"shc:/(?:([1-9][0-9]?)/([1-9][0-9]?)/)?((?:[0-9]{2})+)", re.ASCII)
_OFFSET, _VALUE_MAX = 45, 77


class HealthCard(msgspec.Struct, frozen=True):
    """A card.

    Args:
        issuer: address of who signed it; its keys are at /.well-known/jwks.json there.
        key_id: which of them.
        not_before: seconds since 1970.
        expires_at: seconds since 1970, None for never.
        types: what it attests (`vc.type`).
        fhir_version: of the Bundle.
        bundle: FHIR Bundle, its references as `resource:0`.
    """

    issuer: str
    key_id: str
    not_before: float
    expires_at: float | None
    types: tuple[str, ...]
    fhir_version: str
    bundle: dict[str, Any]


def read_numeric(chunks: Sequence[str]) -> str:
    """Return the compact JWS that the QR codes hold, in whatever order they were scanned.

    Raises:
        MalformedContent: a chunk is none, missing, there twice, or of another card.
    """
    found: dict[int, str] = {}
    counts = set()
    for chunk in chunks[: CHUNKS_MAX + 1]:
        read = _NUMERIC.fullmatch(chunk.strip())
        if read is None:
            raise MalformedContent("this is no numeric SMART Health Card (shc:/ and digits)")
        found[int(read[1] or 1)] = read[3]
        counts.add(int(read[2] or 1))
    if len(counts) != 1 or len(chunks) != len(found) or sorted(found) != list(range(1, max(counts) + 1)):
        raise MalformedContent("the chunks of the SMART Health Card do not fit together")
    digits = "".join(found[number] for number in sorted(found))
    values = [int(digits[place : place + 2]) for place in range(0, len(digits), 2)]
    if max(values) > _VALUE_MAX:
        raise MalformedContent("the digits of the SMART Health Card stand for no characters of a JWS")
    return "".join(chr(value + _OFFSET) for value in values)


def read_file(body: bytes) -> tuple[str, ...]:
    """Return the cards of a .smart-health-card file, as compact JWS. Raises MalformedContent."""
    found = read_object(body).get("verifiableCredential")
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise MalformedContent("a .smart-health-card file must hold an array of cards")
    return tuple(found)


def verify_card(
    token: str, keys: Sequence[Jwk], *, issuer: str, now: float, skew_seconds: int = 60
) -> HealthCard:
    """Return the card, if its issuer signed it and it is in its time.

    Args:
        token: compact JWS.
        keys: those that the issuer publishes.
        issuer: whose keys they are.
        now: the present, in seconds since 1970.
        skew_seconds: tolerated difference of clocks.

    Raises:
        NotAuthenticated: it is by somebody else, altered, or not of this time.
        MalformedContent: it is no card.
    """
    card = read_card(token)
    if card.issuer != issuer:
        raise NotAuthenticated("the card is by another issuer")
    parts = take_apart(token, size_max=CARD_LENGTH_MAX)
    key = select(keys, card.key_id)
    if thumbprint(key) != card.key_id:
        raise NotAuthenticated("the id of the issuer's key is not its thumbprint")
    check_signature(parts, key, algorithms=ALGORITHMS, understood=frozenset({"zip"}))
    if card.not_before > now + skew_seconds:
        raise NotAuthenticated("the card is not valid yet")
    if card.expires_at is not None and card.expires_at + skew_seconds <= now:
        raise NotAuthenticated("the card has expired")
    return card


def read_card(token: str) -> HealthCard:
    """Return what a card says, unverified, to learn whose keys to use.

    Raises:
        MalformedContent: it is no card.
    """
    try:
        parts = take_apart(token.strip(), size_max=CARD_LENGTH_MAX)
        if parts.header.get("zip") != "DEF" or parts.header.get("alg") != "ES256":
            raise MalformedContent("a SMART Health Card must be packed (zip DEF) and signed by ES256")
        claims = claims_of(inflate(parts.payload, bytes_max=PAYLOAD_BYTES_MAX))
        not_before = moment(claims, "nbf")
        expires_at = moment(claims, "exp") if "exp" in claims else None
    except (NotAuthenticated, TooLarge) as error:
        raise MalformedContent(f"this is no SMART Health Card: {error.message}") from error
    return _card(claims, parts.header.get("kid"), not_before, expires_at)


def _card(claims: dict[str, Any], kid: object, not_before: float, expires_at: float | None) -> HealthCard:
    credential = claims.get("vc")
    subject = credential.get("credentialSubject") if isinstance(credential, dict) else None
    if not isinstance(credential, dict) or not isinstance(subject, dict):
        raise MalformedContent("a SMART Health Card must hold vc.credentialSubject")
    types, bundle = credential.get("type"), subject.get("fhirBundle")
    if not isinstance(types, list) or TYPE not in types or not all(isinstance(one, str) for one in types):
        raise MalformedContent(f"a SMART Health Card must be of type {TYPE}")
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise MalformedContent("a SMART Health Card must hold a FHIR Bundle")
    issuer, version = claims.get("iss"), subject.get("fhirVersion")
    if not isinstance(issuer, str) or not issuer.startswith("https://") or issuer.endswith("/"):
        raise MalformedContent("a card's issuer must be an https address without a slash at its end")
    if not isinstance(version, str) or not isinstance(kid, str):
        raise MalformedContent("a SMART Health Card must name its FHIR version and its key")
    return HealthCard(issuer, kid, not_before, expires_at, tuple(types), version, bundle)
