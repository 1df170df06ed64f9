"""Trust chains: from an entity up to a trust anchor, by statements (OpenID Federation 1.0 sections 4, 10).

A chain lives as long as its shortest statement (section 10.4), and no longer than `LIFE_SECONDS_MAX` after it
was fetched: an entity that was struck off is forgotten in that time even where nobody can reach the anchor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from salus.core.errors import NotAuthenticated
from salus.standards.jose.keys import Jwk
from salus.standards.openid_federation.constraints import allowed_types, check_constraints
from salus.standards.openid_federation.policy import apply, merge
from salus.standards.openid_federation.statement import (
    Metadata,
    Statement,
    read_statement,
    verify_statement,
)

LIFE_SECONDS_MAX = 900
STATEMENTS_MAX = 10


class TrustChain(msgspec.Struct, frozen=True):
    """A chain that holds.

    Args:
        subject: whom it is about.
        anchor: in whose name it is trusted.
        keys: the subject's public keys for signing statements.
        metadata: of the subject, by entity type, as its superiors' policies make it.
        configuration: what the subject says of itself.
        superiors: from the immediate one to the anchor.
        expires_at: when it ends, in seconds since 1970.
    """

    subject: str
    anchor: str
    keys: tuple[dict[str, Any], ...]
    metadata: Metadata
    configuration: Statement
    superiors: tuple[str, ...]
    expires_at: float


def verify_chain(
    tokens: Sequence[str],
    *,
    anchors: Mapping[str, Sequence[Jwk]],
    now: float,
    fetched_at: float,
    skew_seconds: int = 60,
    life_seconds_max: int = LIFE_SECONDS_MAX,
) -> TrustChain:
    """Return the trust chain that the statements make (section 10.2).

    Args:
        tokens: the subject's configuration, then the statements about it and about each superior up to the
            one that the anchor issued; the anchor's configuration may follow. Of an anchor, that alone.
        anchors: keys of the trusted anchors by their identifier, known beforehand.
        now: the present, in seconds since 1970.
        fetched_at: when the oldest of the statements was fetched.
        skew_seconds: tolerated difference of clocks.
        life_seconds_max: longest that a chain is trusted after it was fetched.

    Raises:
        NotAuthenticated: the rule that is broken is named.
    """
    if not 0 < len(tokens) <= STATEMENTS_MAX:
        raise NotAuthenticated(f"a trust chain must have 1 to {STATEMENTS_MAX} statements")
    statements = [read_statement(token) for token in tokens]
    anchor = statements[-1].issuer
    if anchor not in anchors:
        raise NotAuthenticated("the trust chain leads to no anchor that this node trusts")
    if not statements[0].is_configuration:
        raise NotAuthenticated("a trust chain must begin with what its subject says of itself")
    _check_links(statements)
    verify_statement(tokens[0], statements[0].keys, now=now, skew_seconds=skew_seconds)
    for place, token in enumerate(tokens):
        is_last = place + 1 == len(tokens)
        keys = anchors[anchor] if is_last else statements[place + 1].keys
        verify_statement(token, keys, now=now, skew_seconds=skew_seconds)
    expires_at = min(fetched_at + life_seconds_max, *(one.expires_at for one in statements))
    if expires_at <= now:
        raise NotAuthenticated("the trust chain has ended; fetch it anew")
    above = [one for one in statements if not one.is_configuration]
    return TrustChain(
        subject=statements[0].subject,
        anchor=anchor,
        keys=above[0].keys if above else statements[0].keys,
        metadata=resolve(statements[0].metadata, above),
        configuration=statements[0],
        superiors=tuple(one.issuer for one in above),
        expires_at=expires_at,
    )


def resolve(metadata: Metadata, above: Sequence[Statement]) -> Metadata:
    """Return the subject's metadata as its superiors make it (sections 6.1.4 and 6.2).

    Args:
        metadata: as the subject says.
        above: the statements of the chain about the subject, its superior, and so on up.

    Raises:
        NotAuthenticated: a constraint or a policy does not hold.
    """
    resolved = {kind: dict(each) for kind, each in metadata.items()}
    if above:
        # What the immediate superior says of the subject comes before what the subject says (section 3.1.1).
        for kind, each in above[0].metadata.items():
            resolved[kind] = resolved.get(kind, {}) | each
    subjects = [one.subject for one in above]
    for place, statement in enumerate(above):
        constraints = statement.claims.get("constraints", {})
        check_constraints(constraints, below=subjects[: place + 1])
        resolved = allowed_types(constraints, resolved)
    policy = merge(
        one.claims["metadata_policy"] for one in reversed(above) if "metadata_policy" in one.claims
    )
    return apply(policy, resolved)


def _check_links(statements: Sequence[Statement]) -> None:
    issuers = set()
    for place, statement in enumerate(statements):
        is_last = place + 1 == len(statements)
        if statement.is_configuration and place and not is_last:
            raise NotAuthenticated("only the subject and the anchor of a trust chain may speak of themselves")
        if not is_last and statement.issuer != statements[place + 1].subject:
            raise NotAuthenticated("two neighbours of the trust chain do not fit: issuer and subject differ")
        if statement.issuer in issuers and not (place and statement.is_configuration):
            raise NotAuthenticated("the trust chain runs in a circle")
        issuers.add(statement.issuer)
    hints = statements[0].claims.get("authority_hints")
    named = hints if isinstance(hints, list) else []
    if len(statements) > 1 and statements[1].issuer not in named:
        raise NotAuthenticated("the subject does not name the superior that vouches for it (authority_hints)")
