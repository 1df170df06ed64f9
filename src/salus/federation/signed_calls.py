"""Calls of one node to another that prove themselves: signed claims (JWS) with the federation key.

Each is for one address, good once and for a minute. Who signed is known from the membership list; that the
federation's anchor still vouches for them is the door's to ask (`federation.chains`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from joserfc.jwk import ECKey

from salus.core.errors import NotAuthenticated, Throttled
from salus.core.identifiers import new_id
from salus.federation.membership import Membership
from salus.federation.membership_list import Member, key_id
from salus.standards.jose import compact
from salus.standards.jose.signature import SIZE_MAX
from salus.store.federation import count_first_uses, is_first_use
from salus.store.postgres import Database

ALGORITHMS = frozenset({"ES384"})
LIFE_SECONDS = 60
SKEW_SECONDS = 60
CALLS_MAX = 1_000
"""Of one kind from one member within what is remembered, about three minutes."""
_JTI_LENGTH_MAX = 100


class Called(msgspec.Struct, frozen=True):
    """A call whose signature holds: the member that calls, and its claims."""

    member: Member
    claims: Mapping[str, Any]  # JSON of another node


def _is_id(jti: str) -> bool:
    return 0 < len(jti) <= _JTI_LENGTH_MAX and jti.isprintable()


def sign_call(
    key: ECKey, *, node: str, kind: str, audience: str, now: datetime, claims: Mapping[str, Any]
) -> str:
    """Return a call.

    Args:
        key: this node's federation key.
        node: this node's id.
        kind: the type of the JWS.
        audience: the address that is called.
        now: the present.
        claims: what is said besides.
    """
    seconds = int(now.timestamp())
    framed = {
        "iss": node, "aud": audience, "iat": seconds, "exp": seconds + LIFE_SECONDS, "jti": new_id(),
        **claims,
    }  # fmt: skip
    return compact.sign(framed, key, kid=key_id(key.as_dict(private=False)), typ=kind)


async def read_call(
    token: str,
    membership: Membership,
    database: Database,
    *,
    kind: str,
    audience: str,
    now: datetime,
    most: int = CALLS_MAX,
    size_max: int = SIZE_MAX,
) -> Called:
    """Return who calls, and what they say.

    `most` calls of this kind are taken from a member in a while, each of `size_max` characters at most.

    Raises:
        NotAuthenticated: no member signed it for this address, or it was used before, or it is too old.
        AccessRefused: the node that signed is no active member.
        Throttled: it calls too often.
    """
    claimed = compact.unverified(token, size_max=size_max)
    node, jti = (claimed.claims.get(name) for name in ("iss", "jti"))
    if not isinstance(node, str) or not isinstance(jti, str) or not _is_id(jti):
        raise NotAuthenticated("iss must be the node that asks, jti an id of the request")
    member = membership.admitted(node, now)
    signed = compact.verify(token, member.keys, algorithms=ALGORITHMS, size_max=size_max)
    made, ends, seconds = *(compact.moment(signed.claims, name) for name in ("iat", "exp")), now.timestamp()
    if signed.header.get("typ") != kind or signed.claims.get("aud") != audience:
        raise NotAuthenticated("the request is not for this address of this node")
    if not made - SKEW_SECONDS <= seconds < ends + SKEW_SECONDS or ends - made > LIFE_SECONDS:
        raise NotAuthenticated("the request is too old, or not of this time")
    if await count_first_uses(database, node, f"{kind}:", now=now) >= most:
        raise Throttled(f"Node {node} calls too often; call again in a few minutes.")
    forget_at = datetime.fromtimestamp(ends + SKEW_SECONDS + 1, UTC)
    if not await is_first_use(database, node, f"{kind}:{jti}", forget_at=forget_at, now=now):
        raise NotAuthenticated("the request was used before")
    return Called(member, signed.claims)
