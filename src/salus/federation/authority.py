"""What the federation's anchor signs: its configuration, statements about members, their trust mark.

OpenID Federation 1.0 sections 3, 7 and 8. Whom it vouches for stands in its register (`membership_list.py`);
each statement lives a quarter of an hour, so that whom it strikes off is forgotten in that time even by
those who do not ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from joserfc.jwk import ECKey

from salus.core.errors import NotAuthenticated, NotFound
from salus.federation.entity import HEALTH_NODE, TYPES, member_mark
from salus.federation.membership_list import Member, MembershipList
from salus.federation.offline import public_keys
from salus.standards.jose.compact import verify
from salus.standards.openid_federation.chain import LIFE_SECONDS_MAX, TrustChain
from salus.standards.openid_federation.responses import sign_resolution, sign_status
from salus.standards.openid_federation.statement import SIGNATURES, sign_statement
from salus.standards.openid_federation.trust_mark import check_form, sign_trust_mark

STATEMENT_SECONDS = LIFE_SECONDS_MAX
ANCHOR_SECONDS = 24 * 3600
ENDORSED_SECONDS = 365 * 24 * 3600
MARK_SECONDS = 24 * 3600


class Authority(msgspec.Struct, frozen=True):
    """The anchor.

    Args:
        register: whom it vouches for; its `anchor` is the identifier.
        keys: private keys, the newest first; the oldest signs the configuration, so that whoever knows
            only that one learns of the others (section 11.2: rotation by the anchor's own statement).
        endorsed: the configuration as an offline key signed it, "" where the anchor has none.
    """

    register: MembershipList
    keys: tuple[ECKey, ...]
    endorsed: str = ""

    @property
    def entity(self) -> str:
        """Return its entity identifier."""
        return self.register.anchor

    @property
    def public(self) -> list[dict[str, Any]]:
        """Return its public keys, the newest first."""
        return public_keys(self.keys)


def configuration(authority: Authority, *, now: datetime) -> str:
    """Return what the anchor says of itself."""
    if authority.endorsed:
        return authority.endorsed
    claims = _claims(authority, now, ANCHOR_SECONDS, authority.public)
    return sign_statement(claims, authority.keys[-1], kid=str(authority.public[-1]["kid"]))


def endorse(authority: Authority, offline: ECKey, *, now: datetime) -> str:
    """Return what the anchor says of itself, signed with its offline key, for a year."""
    keys = public_keys(authority.keys, offline)
    return sign_statement(_claims(authority, now, ENDORSED_SECONDS, keys), offline, kid=str(keys[-1]["kid"]))


def _claims(
    authority: Authority, now: datetime, seconds: int, keys: list[dict[str, Any]]
) -> dict[str, Any]:  # Any: JSON values
    entity, at = authority.entity, int(now.timestamp())
    endpoints = {
        f"federation_{name}_endpoint": f"{entity}/{name}"
        for name in ("fetch", "list", "resolve", "trust_mark", "trust_mark_list", "trust_mark_status")
    }
    return {
        "iss": entity,
        "sub": entity,
        "iat": at,
        "exp": at + seconds,
        "jwks": {"keys": keys},
        "metadata": {
            "federation_entity": {"organization_name": authority.register.federation, **endpoints},
        },
        "trust_mark_issuers": {member_mark(entity): [entity]},
    }


def statement_about(authority: Authority, subject: str, *, now: datetime) -> str:
    """Return what the anchor says of a member: its keys, what it may be, and for how long.

    Raises:
        NotFound: the anchor vouches for no such entity.
    """
    member = member_at(authority, subject, now=now)
    at = int(now.timestamp())
    claims = {
        "iss": authority.entity,
        "sub": member.base_url,
        "iat": at,
        "exp": min(at + STATEMENT_SECONDS, int(member.valid_until.timestamp())),
        "jwks": {"keys": member.keys},
        "constraints": {"max_path_length": 0, "allowed_entity_types": list(TYPES)},
        "metadata_policy": policy_for(member),
        "source_endpoint": f"{authority.entity}/fetch",
    }
    return sign_statement(claims, authority.keys[0], kid=str(authority.public[0]["kid"]))


def policy_for(member: Member) -> dict[str, dict[str, dict[str, Any]]]:  # Any: JSON values
    """Return what a member's metadata must say: its id, its country, its own addresses, bound tokens."""
    return {
        HEALTH_NODE: {
            "node": {"value": member.node},
            "country": {"value": member.country},
            "fhir_base": {"value": member.fhir_base},
        },
        "oauth_authorization_server": {
            "issuer": {"value": member.base_url},
            "token_endpoint": {"value": member.token_endpoint},
        },
        "oauth_client": {
            "jwks": {"essential": True},
            "token_endpoint_auth_method": {"value": "private_key_jwt"},
            "dpop_bound_access_tokens": {"value": True},
        },
    }


def mark_for(authority: Authority, subject: str, *, now: datetime) -> str:
    """Return the trust mark of a health node of the federation. Raises NotFound as `statement_about`."""
    member = member_at(authority, subject, now=now)
    at = int(now.timestamp())
    claims = {
        "iss": authority.entity,
        "sub": member.base_url,
        "trust_mark_type": member_mark(authority.entity),
        "iat": at,
        "exp": min(at + MARK_SECONDS, int(member.valid_until.timestamp())),
    }
    return sign_trust_mark(claims, authority.keys[0], kid=str(authority.public[0]["kid"]))


def mark_status(authority: Authority, mark: str, *, now: datetime) -> str:
    """Return what became of a trust mark, signed (section 8.4.2).

    Raises:
        NotFound: the anchor issued no such mark.
    """
    try:
        found = check_form(verify(mark, authority.public, algorithms=SIGNATURES).claims)
    except NotAuthenticated as error:
        raise NotFound("the anchor issued no such trust mark") from error
    if found.expires_at is not None and found.expires_at <= now.timestamp():
        status = "expired"
    else:
        status = "active" if found.subject in subjects(authority, now=now) else "revoked"
    claims = {
        "iss": authority.entity, "iat": int(now.timestamp()), "trust_mark": mark, "status": status,
    }  # fmt: skip
    return sign_status(claims, authority.keys[0], kid=str(authority.public[0]["kid"]))


def resolution(authority: Authority, chain: TrustChain, tokens: Sequence[str], *, now: datetime) -> str:
    """Return what a trust chain comes to, signed (section 8.3.2)."""
    claims = {
        "iss": authority.entity,
        "sub": chain.subject,
        "iat": int(now.timestamp()),
        "exp": int(chain.expires_at),
        "metadata": chain.metadata,
        "trust_chain": list(tokens),
        "trust_marks": chain.configuration.claims.get("trust_marks", []),
    }
    return sign_resolution(claims, authority.keys[0], kid=str(authority.public[0]["kid"]))


def subjects(authority: Authority, *, now: datetime) -> list[str]:
    """Return the identifiers of whom the anchor vouches for, in the order of the register."""
    return [each.base_url for each in authority.register.members if each.state(now) == "active"]


def member_at(authority: Authority, subject: str, *, now: datetime) -> Member:
    """Return the active member with this identifier. Raises NotFound."""
    found = next((each for each in authority.register.members if each.base_url == subject), None)
    if found is None or found.state(now) != "active":
        raise NotFound("the anchor vouches for no such entity; its operator admits: salus federation admit")
    return found
