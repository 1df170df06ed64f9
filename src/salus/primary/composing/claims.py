"""A profile is claimed (meta.profile) only by what was checked and follows it.

Checked are the rules that Salus ships with (`standards/fhir/profiles`), as `salus check` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from salus.standards.fhir.profiles.shipped import shipped_book
from salus.standards.fhir.profiles.validator import check_profiles

Copy = dict[str, Any]  # a copy of a resource, made for a document; its members are open JSON


def claim(bundle: Copy, profiles: Iterable[tuple[str, str]]) -> None:
    """Let a document and its Composition claim those of the (Bundle, Composition) profiles they follow."""
    asked = list(profiles)
    all_follow = follows(bundle, *(whole for whole, _ in asked))  # most do, and one check is half of two
    kept = asked if all_follow else [pair for pair in asked if follows(bundle, pair[0])]
    if kept:
        bundle["meta"] = {"profile": [whole for whole, _ in kept]}
        bundle["entry"][0]["resource"]["meta"] = {"profile": [first for _, first in kept]}


def claim_inside(bundle: Copy, profiles: Mapping[str, str]) -> None:
    """Let the entries of a collection claim the profile of their type, each where it follows it there."""
    book = shipped_book()
    broken = {
        issue.expression.partition("].")[0].partition("[")[2].partition("]")[0]
        for issue in check_profiles(bundle, book, inner=profiles)
        if issue.severity in ("error", "fatal")
    }
    for place, entry in enumerate(bundle["entry"]):
        resource = entry["resource"]
        profile = profiles.get(str(resource["resourceType"]))
        if profile and str(place) not in broken and book.find(profile) is not None:
            resource["meta"] = {**resource.get("meta", {}), "profile": [profile]}


def follows(resource: Copy, *profiles: str) -> bool:
    """Return whether nothing in a resource breaks any of the profiles, by the rules at hand."""
    book = shipped_book()
    if any(book.find(profile) is None for profile in profiles):
        return False
    return not any(issue.severity in ("error", "fatal") for issue in check_profiles(resource, book, profiles))


def without_claims(resource: Copy) -> Copy:
    """Return a copy that claims no profile: what its source claimed holds of what the source sent."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name != "profile"}
    rest = {name: value for name, value in resource.items() if name != "meta"}
    return {**rest, "meta": meta} if meta else rest
