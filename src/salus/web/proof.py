"""Proofs that requests carry (RFC 9449): checked once, before a face sees the request.

A proof is good once at the node, whichever of its processes is asked: its jti is remembered in the database.
"""

from __future__ import annotations

from datetime import UTC, datetime

from salus.core.errors import ProofRefused
from salus.standards.smart.dpop import Proof, check_proof
from salus.store.federation import is_first_use
from salus.trust.refusals import BEARER
from salus.web.services import Scope, Services

SCHEME = b"dpop "


def is_bound(scope: Scope) -> bool:
    """Return whether a request says that its access token is bound to a key."""
    for name, text in scope["headers"]:  # noqa: SIM110  (on the way of every request)
        if name == b"authorization" and text[:5].lower() == SCHEME:
            return True
    return False


def asked(scope: Scope) -> str:
    """Return the id that the request has at the node that sent it, "" where its proof names none."""
    return str(scope.get("asked", ""))


def proven(scope: Scope) -> str:
    """Return the thumbprint of the key that a request was found to prove, "" for none."""
    return str(scope.get("proven_key", ""))


async def proven_key(services: Services, scope: Scope) -> str:
    """Return the thumbprint of the key that a request with a bound token proves to hold.

    What else the proof says of the request is put into the scope, for `asked`.

    Raises:
        ProofRefused: it proves none; the rule that is broken is named.
    """
    try:
        proof = await prove(services, scope, token=_one(scope, b"authorization")[len(SCHEME) :])
    except ProofRefused:
        services.doorkeeper.refusals.note(BEARER)
        raise
    scope["asked"] = proof.request
    return proof.key


async def prove(services: Services, scope: Scope, *, token: str = "") -> Proof:
    """Return the proof of a request, once everything about it holds and it is used the first time.

    `token` is the access token that came along, "" at the token endpoint.
    """
    now, limits = services.clock(), services.limits
    path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    proof = check_proof(
        _one(scope, b"dpop"),
        method=scope["method"],
        addresses=[f"{base}{path}" for base in (services.base_url, *services.own_addresses)],
        now=now.timestamp(),
        skew_seconds=limits.clock_skew_seconds,
        token=token,
    )
    forget_at = datetime.fromtimestamp(proof.expires_at + 1, UTC)
    if not await is_first_use(
        services.database, f"dpop:{proof.key}", proof.jti, forget_at=forget_at, now=now
    ):
        raise ProofRefused("the proof was used already; sign a new one for each request, with a new jti")
    return proof


def _one(scope: Scope, name: bytes) -> str:
    found = [text for header, text in scope["headers"] if header == name]
    if len(found) != 1:
        raise ProofRefused("send one access token as DPoP and one proof, in the header DPoP (RFC 9449)")
    return str(found[0].decode("latin-1"))
