"""A node as an entity of its federation: what it says of itself, and what a trust chain says of it.

OpenID Federation 1.0. Its identifier is its base address. Besides the entity types of OAuth it has one of
ours, `health_node`, with its id, its country and the keys of its audit log (docs/decisions/0017).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from joserfc.jwk import ECKey

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.federation.membership_list import Member, check_member
from salus.standards.openid_federation.chain import TrustChain
from salus.standards.openid_federation.statement import Metadata, Statement, key_set, sign_statement
from salus.standards.openid_federation.trust_mark import verify_trust_mark
from salus.standards.smart import assertion, dpop

CONFIGURATION_SECONDS = 24 * 3600
HEALTH_NODE = "health_node"
TYPES = (HEALTH_NODE, "oauth_authorization_server", "oauth_client", "oauth_resource")


def member_mark(anchor: str) -> str:
    """Return the type of the trust mark by which an anchor says: a health node of this federation."""
    return f"{anchor}/marks/health-node"


class LedgerKeys(msgspec.Struct, frozen=True):
    """The keys of a node's audit log: of its checkpoints, and of its cosignatures (C2SP verifier keys)."""

    log: str
    witness: str


def ledger_keys_of(metadata: Metadata) -> LedgerKeys | None:
    """Return the keys of its audit log that a node names, None where it names none."""
    about = metadata.get(HEALTH_NODE, {})
    log, witness = about.get("ledger_key"), about.get("ledger_witness_key")
    return LedgerKeys(log, witness) if isinstance(log, str) and isinstance(witness, str) else None


def metadata_of(node: Member, ledger: LedgerKeys | None = None) -> Metadata:
    """Return what a node says of itself, by entity type."""
    named = {} if ledger is None else {"ledger_key": ledger.log, "ledger_witness_key": ledger.witness}
    return {
        "federation_entity": {"organization_name": node.name},
        HEALTH_NODE: {"node": node.node, "country": node.country, "fhir_base": node.fhir_base} | named,
        "oauth_authorization_server": {
            "issuer": node.base_url,
            "token_endpoint": node.token_endpoint,
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": sorted(assertion.ALGORITHMS),
            "dpop_signing_alg_values_supported": sorted(dpop.ALGORITHMS),
        },
        "oauth_client": {
            "client_name": node.name,
            "jwks": {"keys": node.keys},
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "private_key_jwt",
            "dpop_bound_access_tokens": True,
        },
        "oauth_resource": {"resource": node.fhir_base, "resource_name": node.name},
    }


def node_configuration(
    node: Member,
    key: ECKey,
    *,
    anchor: str = "",
    marks: Sequence[str] = (),
    ledger: LedgerKeys | None = None,
    now: datetime,
) -> str:
    """Return the entity configuration of a node, signed with its own key.

    Args:
        node: what it is; its first key is the public half of `key`.
        key: its private key.
        anchor: identifier of its federation's anchor, "" before it has joined one.
        marks: trust marks that the anchor gave it.
        ledger: the keys of its audit log.
        now: the present.
    """
    at = int(now.timestamp())
    claims: dict[str, Any] = {  # Any: JSON values
        "iss": node.base_url,
        "sub": node.base_url,
        "iat": at,
        "exp": at + CONFIGURATION_SECONDS,
        "jwks": {"keys": node.keys},
        "metadata": metadata_of(node, ledger),
    }
    if anchor:
        claims["authority_hints"] = [anchor]
    if marks:
        kind = member_mark(anchor)
        claims["trust_marks"] = [{"trust_mark_type": kind, "trust_mark": mark} for mark in marks]
    return sign_statement(claims, key, kid=str(node.keys[0]["kid"]))


def vouched_for(
    listed: Member, chain: TrustChain, anchor: Statement, *, now: float, skew_seconds: int
) -> Member:
    """Return a member as its trust chain makes it: with the keys that sign its client assertions.

    Args:
        listed: as the anchor's register names it.
        chain: verified, to the anchor.
        anchor: the anchor's own configuration, verified.
        now: the present, in seconds since 1970.
        skew_seconds: tolerated difference of clocks.

    Raises:
        NotAuthenticated: the chain is not about this member, or it bears no mark of a health node.
    """
    about = chain.metadata.get(HEALTH_NODE, {})
    if (chain.subject, about.get("node"), about.get("country")) != (
        listed.base_url,
        listed.node,
        listed.country,
    ):
        raise NotAuthenticated(f"the trust chain is not about node {listed.node[:80]}")
    kind = member_mark(anchor.subject)
    marks = chain.configuration.claims.get("trust_marks", [])
    mark = next((each["trust_mark"] for each in marks if each["trust_mark_type"] == kind), None)
    if mark is None:
        raise NotAuthenticated(f"node {listed.node[:80]} bears no trust mark of a health node")
    verify_trust_mark(
        mark,
        subject=chain.subject,
        issuer_keys=anchor.keys,
        anchor=anchor,
        now=now,
        skew_seconds=skew_seconds,
    )
    keys = key_set(chain.metadata.get("oauth_client", {}).get("jwks"))
    found = msgspec.structs.replace(listed, keys=list(keys))
    try:
        check_member(found)
    except MalformedContent as error:
        raise NotAuthenticated(f"the keys of node {listed.node[:80]} cannot be read") from error
    return found
