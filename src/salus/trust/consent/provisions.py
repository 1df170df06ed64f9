"""From FHIR R4 Consents (IHE Privacy Consent on FHIR, all three options) to flat provisions. Pure.

A provision nested in another is an exception to it. A permit takes over what it does not state itself from
what it is an exception to (purpose, actor, labels, ...), so that no exception opens more than its words; a
denial reaches as far as its own words. Both last no longer than what they are nested in.

What cannot be understood never widens: an unknown type denies; an actor that cannot be told denies everybody
and permits nobody; what carries a modifier extension permits nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from salus.standards.fhir.search.values import period_interval
from salus.trust.consent.codes import Kinds, codes, with_kinds

Json = Mapping[str, Any]
"""A part of a resource: JSON."""
Interval = tuple[float, float]
"""Seconds since 1970, the end exclusive."""
Words = frozenset[str] | None
"""What a provision states in one dimension; None where it states nothing."""

RESEARCH = "HRESCH"
ALWAYS: Interval = (-math.inf, math.inf)
_SCOPES = frozenset({"patient-privacy", "research"})
_BASES = {"OPTIN": "permit", "OPTINR": "permit", "OPTOUT": "deny", "OPTOUTE": "deny"}
_NEVER: Interval = (0.0, 0.0)
_ELEMENTS = ("purpose", "actor", "action", "class", "code", "securityLabel", "data")
_SETS = ("purposes", "actors", "actions", "classes", "codes", "labels", "data")


class Provision(msgspec.Struct, frozen=True):
    """One rule of a citizen.

    Args:
        permits: whether it permits or denies.
        path: the place of the Consent, then that among its siblings at each depth: an ancestor's is a prefix.
        purposes: codes of ActReason and others, their kinds included.
        actors: references ("Practitioner/x") or identifiers ("system|value") of who is meant.
        actions: codes of consentaction.
        classes: resource types, profiles and codes of document classes.
        codes: "system|code" of what the data are about.
        labels: codes of confidentiality and sensitivity.
        data: "meaning reference": instance, related, dependents, authoredby.
        data_period: when the data came about, None for any time.
        period: when the provision holds.
    """

    permits: bool
    path: tuple[int, ...]
    purposes: Words = None
    actors: Words = None
    actions: Words = None
    classes: Words = None
    codes: Words = None
    labels: Words = None
    data: Words = None
    data_period: Interval | None = None
    period: Interval = ALWAYS


def provisions_of(consents: Iterable[Json]) -> tuple[Provision, ...]:
    """Return the provisions of those Consents that are active and about privacy or research."""
    return tuple(
        provision for place, consent in enumerate(consents) for provision in _consent(consent, place)
    )


def permits_research(provision: Provision) -> bool:
    """Return whether a provision permits research by name; one for any purpose does not."""
    return provision.permits and provision.purposes is not None and RESEARCH in provision.purposes


def is_within(inner: Provision, outer: Provision) -> bool:
    """Return whether all that the one is about, the other is about too."""
    for name in _SETS:
        narrow, wide = getattr(inner, name), getattr(outer, name)
        if wide is not None and (narrow is None or not narrow <= wide):
            return False
    dated = outer.data_period is None or (
        inner.data_period is not None and _spans(outer.data_period, inner.data_period)
    )
    return dated and _spans(outer.period, inner.period)


def _spans(outer: Interval, inner: Interval) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _consent(consent: Json, place: int) -> Iterator[Provision]:
    scopes = set(_codes([consent.get("scope")]))
    if consent.get("status") != "active" or not (scopes & _SCOPES or not scopes):
        return
    root = dict(consent.get("provision") or {})
    base = next((_BASES[code] for code in _codes([consent.get("policyRule")]) if code in _BASES), "")
    if "type" not in root and base:
        root["type"] = base
    above = Provision(permits=True, path=())
    if scopes == {"research"}:
        above = msgspec.structs.replace(above, purposes=with_kinds({"HRESCH"}, codes().permitted_with))
    yield from _walk(root, above, (place,), modified="modifierExtension" in consent)


def _walk(stated: Json, above: Provision, path: tuple[int, ...], *, modified: bool) -> Iterator[Provision]:
    """Yield the provision and its exceptions; `above` is what these take over, read as a permit."""
    period = _overlap(above.period, stated.get("period"))
    if period is None:
        return
    modified = modified or "modifierExtension" in stated
    own = _permit(stated, above, path, period)
    if stated.get("type") == "permit":
        if not modified:
            yield own
    elif "type" in stated:
        yield _denial(stated, path, period)
    for place, nested in enumerate(stated.get("provision", ())):
        yield from _walk(nested, own, (*path, place), modified=modified)


def _permit(stated: Json, above: Provision, path: tuple[int, ...], period: Interval) -> Provision:
    own = _words(stated, codes().permitted_with)
    merged = {name: getattr(above, name) if words is None else words for name, words in own.items()}
    dated = above.data_period
    if "dataPeriod" in stated:
        dated = period_interval(stated["dataPeriod"]) or _NEVER
    return Provision(True, path, **merged, data_period=dated, period=period)


def _denial(stated: Json, path: tuple[int, ...], period: Interval) -> Provision:
    own = {name: words or None for name, words in _words(stated, codes().denied_with).items()}
    for name, entries in (("actors", stated.get("actor", ())), ("data", stated.get("data", ()))):
        if not all(any(reference_words(each.get("reference"))) for each in entries):
            own[name] = None
    return Provision(
        False, path, **own, data_period=period_interval(stated.get("dataPeriod", {})), period=period
    )


def _words(stated: Json, kinds: Kinds) -> dict[str, Words]:
    """Return what a provision states in each dimension; nothing (not None) where no entry is understood."""
    found: dict[str, Iterable[str]] = {
        "purposes": with_kinds(_coded(stated.get("purpose", ())), kinds),
        "actors": (
            word for each in stated.get("actor", ()) for word in reference_words(each.get("reference"))
        ),
        "actions": _codes(stated.get("action", ())),
        "classes": _coded(stated.get("class", ())),
        "codes": _systems_and_codes(stated.get("code", ())),
        "labels": _coded(stated.get("securityLabel", ())),
        "data": (
            f"{each.get('meaning', '')} {word}"
            for each in stated.get("data", ())
            for word in reference_words(each.get("reference"))
        ),
    }
    return {
        name: frozenset(words) if stated.get(element) else None
        for (name, words), element in zip(found.items(), _ELEMENTS, strict=True)
    }


def _overlap(above: Interval, period: Json | None) -> Interval | None:
    if not period:
        return above
    stated = period_interval(period)
    if stated is None:
        return None
    low, high = max(above[0], stated[0]), min(above[1], stated[1])
    return (low, high) if low < high else None


def _coded(codings: Iterable[Json]) -> Iterator[str]:
    return (coding["code"] for coding in codings if "code" in coding)


def _codes(concepts: Iterable[Json | None]) -> Iterator[str]:
    for concept in concepts:
        yield from _coded((concept or {}).get("coding", ()))


def _systems_and_codes(concepts: Iterable[Json]) -> Iterator[str]:
    for concept in concepts:
        for coding in concept.get("coding", ()):
            if "code" in coding:
                yield f"{coding.get('system', '')}|{coding['code']}"


def reference_words(reference: Json | None) -> Iterator[str]:
    """Yield by which words a Reference names its target: without its version, and by identifier."""
    found = reference or {}
    if "reference" in found:
        yield str(found["reference"]).partition("/_history/")[0]
    identifier = found.get("identifier") or {}
    if "value" in identifier:
        yield f"{identifier.get('system', '')}|{identifier['value']}"
