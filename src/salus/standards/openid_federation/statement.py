"""Entity statements: what an entity, or a superior, says of it (OpenID Federation 1.0 section 3).

A statement about oneself (`iss` = `sub`) is an entity configuration, any other a subordinate statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from joserfc.jwk import ECKey

from salus.core.addresses import is_callable_address
from salus.core.errors import NotAuthenticated
from salus.standards.jose.compact import claims_of, moment, sign, verify
from salus.standards.jose.keys import Jwk
from salus.standards.jose.signature import take_apart

TYPE = "entity-statement+jwt"
SIGNATURES = frozenset({"ES256", "ES384", "EdDSA", "RS256", "PS256"})
SIZE_MAX = 256 * 1024
ENTITY_LENGTH_MAX = 2_048
ITEMS_MAX = 1_000
UNDERSTOOD = frozenset({"jti"})
"""Claims beyond the specification that a statement may call critical."""

_OF_CONFIGURATION = (
    "authority_hints",
    "trust_anchor_hints",
    "trust_marks",
    "trust_mark_issuers",
    "trust_mark_owners",
)
_OF_SUBORDINATE = ("metadata_policy", "metadata_policy_crit", "constraints", "source_endpoint")
_OF_REGISTRATION = ("aud", "trust_anchor")
_DEFINED = {"iss", "sub", "iat", "exp", "jwks", "metadata", "crit", *_OF_CONFIGURATION, *_OF_SUBORDINATE}

Metadata = dict[str, dict[str, Any]]  # by entity type, then by parameter


class Statement(msgspec.Struct, frozen=True):
    """A statement whose form is right. Whether its signature holds is said by whoever made it.

    Args:
        issuer, subject: entity identifiers.
        issued_at, expires_at: seconds since 1970.
        keys: the subject's public keys for signing statements.
        metadata: by entity type.
        claims: all of them, as signed.
    """

    issuer: str
    subject: str
    issued_at: float
    expires_at: float
    keys: tuple[dict[str, Any], ...]
    metadata: Metadata
    claims: dict[str, Any]

    @property
    def is_configuration(self) -> bool:
        """Whether the entity speaks of itself."""
        return self.issuer == self.subject


def sign_statement(claims: Mapping[str, Any], key: ECKey, *, kid: str) -> str:
    """Return the statement signed by its issuer."""
    return sign(claims, key, kid=kid, typ=TYPE)


def read_statement(token: str) -> Statement:
    """Return what a statement says, its signature not verified.

    Raises:
        NotAuthenticated: it is no statement; the rule that is broken is named.
    """
    parts = take_apart(token, size_max=SIZE_MAX)
    if parts.header.get("typ") != TYPE:
        raise NotAuthenticated(f"an entity statement must have typ {TYPE}")
    return check_form(claims_of(parts.payload))


def verify_statement(token: str, keys: Sequence[Jwk], *, now: float, skew_seconds: int) -> Statement:
    """Return the statement, if one of the keys of its issuer signed it and it is in its time (section 3.2).

    Raises:
        NotAuthenticated: the rule that is broken is named.
    """
    statement = read_statement(token)
    if statement.issued_at > now + skew_seconds:
        raise NotAuthenticated("an entity statement lies in the future (iat); check the clocks")
    if statement.expires_at + skew_seconds <= now:
        raise NotAuthenticated("an entity statement has expired (exp)")
    verify(token, keys, algorithms=SIGNATURES, size_max=SIZE_MAX)
    return statement


def check_form(claims: Mapping[str, Any]) -> Statement:
    """Return the statement that the claims make, once every rule for their form holds (section 3.2).

    Raises:
        NotAuthenticated: the rule that is broken is named.
    """
    issuer, subject = _entity(claims, "iss"), _entity(claims, "sub")
    foreign = _OF_SUBORDINATE if issuer == subject else _OF_CONFIGURATION
    found = next((name for name in (*foreign, *_OF_REGISTRATION) if name in claims), "")
    if found:
        raise NotAuthenticated(f"{found} must not stand in this kind of entity statement")
    _check_critical(claims)
    _check_lists(claims)
    return Statement(
        issuer=issuer,
        subject=subject,
        issued_at=moment(claims, "iat"),
        expires_at=moment(claims, "exp"),
        keys=key_set(claims.get("jwks")),
        metadata=_metadata(claims.get("metadata", {})),
        claims=dict(claims),
    )


def key_set(found: object) -> tuple[dict[str, Any], ...]:
    """Return the keys of a JWK Set, each with an id of its own. Raises NotAuthenticated."""
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise NotAuthenticated("jwks must be a JWK Set")
    ids = [key.get("kid") for key in keys]
    if not ids or not all(isinstance(kid, str) and kid for kid in ids) or len(set(ids)) != len(ids):
        raise NotAuthenticated("each key of a statement must have a kid of its own")
    if any("d" in key or "k" in key for key in keys):
        raise NotAuthenticated("a statement must hold public keys only")
    return tuple(keys)


def is_entity(found: object) -> bool:
    """Return whether this is an entity identifier: an https address (or http on loopback) without query."""
    return (
        isinstance(found, str)
        and len(found) <= ENTITY_LENGTH_MAX
        and is_callable_address(found.removesuffix("/"))
    )


def _entity(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    if not isinstance(found, str) or not is_entity(found):
        raise NotAuthenticated(f"{name} must be an entity identifier (an https address)")
    return found


def _check_critical(claims: Mapping[str, Any]) -> None:
    critical = claims.get("crit", [])
    if not isinstance(critical, list) or ("crit" in claims and not critical):
        raise NotAuthenticated("crit must be an array of claims")
    for name in map(str, critical):
        if name in _DEFINED or name not in UNDERSTOOD or name not in claims:
            raise NotAuthenticated("crit names a claim that is not understood here, or needs no such mark")
    # It names operators that the specification does not define, and none of those is understood here.
    if "metadata_policy_crit" in claims:
        raise NotAuthenticated("metadata_policy_crit names a policy operator that is not understood here")


def _check_lists(claims: Mapping[str, Any]) -> None:
    for name in ("authority_hints", "trust_anchor_hints"):
        if name in claims and not (claims[name] and _are_entities(claims[name])):
            raise NotAuthenticated(f"{name} must be an array of entity identifiers, not empty")
    for name in ("metadata_policy", "constraints"):
        if not isinstance(claims.get(name, {}), dict):
            raise NotAuthenticated(f"{name} must be an object")
    marks = claims.get("trust_marks", [])
    if not isinstance(marks, list) or not all(map(_is_mark, marks)):
        raise NotAuthenticated("trust_marks must be an array of objects with trust_mark_type and trust_mark")
    issuers = claims.get("trust_mark_issuers", {})
    if not isinstance(issuers, dict) or not all(map(_are_entities, issuers.values())):
        raise NotAuthenticated("trust_mark_issuers must hold an array of entity identifiers for each type")
    owners = claims.get("trust_mark_owners", {})
    if not isinstance(owners, dict) or not all(map(_is_owner, owners.values())):
        raise NotAuthenticated("trust_mark_owners must hold sub and jwks for each type")


def _are_entities(found: object) -> bool:
    return isinstance(found, list) and len(found) <= ITEMS_MAX and all(map(is_entity, found))


def _is_mark(found: object) -> bool:
    return isinstance(found, dict) and all(
        isinstance(found.get(name), str) for name in ("trust_mark_type", "trust_mark")
    )


def _is_owner(found: object) -> bool:
    return isinstance(found, dict) and is_entity(found.get("sub")) and bool(key_set(found.get("jwks")))


def _metadata(found: object) -> Metadata:
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise NotAuthenticated("metadata must hold an object for each entity type")
    if any(value is None for each in found.values() for value in each.values()):
        raise NotAuthenticated("metadata must not hold null")
    return found
