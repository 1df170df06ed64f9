"""Whether claims answer a query, and which of them are to be shown (OpenID4VP 1.0 sections 6.4 and 7.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from salus.standards.openid4vp.query import ClaimQuery, CredentialQuery, Query
from salus.standards.sdjwt.disclosures import Path


def select(claims: Mapping[str, Any], pointer: tuple[str | int | None, ...]) -> dict[Path, Any]:
    """Return the values at a path (section 7.1), each by its own place; {} where there is none."""
    found: dict[Path, Any] = {(): claims}
    for step in pointer:
        found = {(*place, key): inner for place, value in found.items() for key, inner in _below(value, step)}
    return found


def _below(value: Any, step: str | int | None) -> list[tuple[str | int, Any]]:
    if isinstance(step, str):
        return [(step, value[step])] if isinstance(value, dict) and step in value else []
    if not isinstance(value, list):
        return []
    if step is None:
        return list(enumerate(value))
    return [(step, value[step])] if step < len(value) else []


def wanted(credential: CredentialQuery, claims: Mapping[str, Any]) -> frozenset[Path] | None:
    """Return the places of the claims that answer, None when the credential does not.

    Of several claim sets the first that can be met counts (section 6.4.1).
    """
    by_id = {claim.id: claim for claim in credential.claims}
    options = [[by_id[name] for name in option] for option in credential.claim_sets]
    for option in options or [list(credential.claims)]:
        places = [_matching(claim, claims) for claim in option]
        if all(places):
            return frozenset(place for each in places for place in each)
    return None


def _matching(claim: ClaimQuery, claims: Mapping[str, Any]) -> list[Path]:
    found = select(claims, claim.path)
    if not claim.values:
        return list(found)
    return [place for place, value in found.items() if any(_same(value, one) for one in claim.values)]


def _same(value: Any, wanted_value: Any) -> bool:
    """Return whether type and value are the same: 1 is neither true nor "1"."""
    return type(value) is type(wanted_value) and bool(value == wanted_value)


def unanswered(query: Query, answered: Collection[str]) -> str:
    """Return what of the query has no answer, "" when all that is required has one (section 6.4.2)."""
    if not query.credential_sets:
        missing = [one.id for one in query.credentials if one.id not in answered]
        return f"credential {missing[0]} is missing" if missing else ""
    for group in query.credential_sets:
        if group.required and not any(set(option) <= set(answered) for option in group.options):
            return f"none of the credentials {' or '.join('+'.join(one) for one in group.options)} is there"
    return ""
