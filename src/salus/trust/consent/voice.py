"""What provisions say of a request: the most specific; of those on a par the most restrictive. Pure.

A permit stands against a denial in two cases only: it is an exception nested in it, or all that the permit
is about lies within what is denied and is less (this physician, of all physicians). A denial nested in a
permit is never outdone by it. So one more denial never opens anything.

Labels (FHIR R4, Consent.provision.securityLabel; DS4P): a permit of confidentiality R is one of R and all
below, a denial of R one of R and all above. Data with a sensitivity label and no confidentiality are
restricted. A permit that lists labels permits only data whose every sensitivity it lists.

What is not known of the data (None) fits no permit and every denial.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from salus.standards.fhir.search.values import date_interval, period_interval
from salus.standards.sensitivity.labelling import sensitivities_of
from salus.trust.consent.codes import codes, with_kinds
from salus.trust.consent.provisions import (
    Interval,
    Json,
    Provision,
    Words,
    is_within,
    reference_words,
)
from salus.trust.facts import Voice

_DATES = (
    "effective",
    "onset",
    "occurrence",
    "performed",
    "authoredOn",
    "period",
    "date",
    "recordedDate",
    "started",
)
_ABOUT = ("code", "type", "category", "medicationCodeableConcept", "vaccineCode")
"""What the data are about: of a medicine or a vaccination it stands in an element of its own."""
_AUTHORS = ("performer", "author", "recorder", "asserter", "requester", "informationSource")


class Item(msgspec.Struct, frozen=True):
    """What is asked for; None stands for what is not known of it.

    Args:
        reference: "Type/id".
        classes: its type, profiles and codes of document class.
        codes: "system|code" of what it is about.
        labels: codes of confidentiality and sensitivity.
        period: when it came about.
        authors: references of those who made it.
        refers_to: references it holds.
        referred_by: references of what refers to it.
    """

    reference: str
    classes: Words = None
    codes: Words = None
    labels: frozenset[str] = frozenset()
    period: Interval | None = None
    authors: Words = None
    refers_to: Words = None
    referred_by: frozenset[str] = frozenset()


class Asked(msgspec.Struct, frozen=True):
    """A request as Consents see it.

    Args:
        purpose: code of the purpose of use.
        actors: references and identifiers of all that the asker is: person, role, organisation, groups.
        at: when, seconds since 1970.
        item: what is asked for.
        actions: codes of consentaction: what is done with it.
    """

    purpose: str
    actors: frozenset[str]
    at: float
    item: Item
    actions: frozenset[str] = frozenset({"access"})


def voice_of(provisions: Iterable[Provision], asked: Asked) -> Voice:
    """Return what the citizen says of the request."""
    known = tuple(provisions)
    if not known:
        return Voice.NONE
    fitting = [provision for provision in known if applies(provision, asked)]
    permits = [provision for provision in fitting if provision.permits]
    denials = [provision for provision in fitting if not provision.permits]
    if not denials:
        return Voice.PERMIT if permits else Voice.SILENT
    stands = any(all(outdoes(permit, denial) for denial in denials) for permit in permits)
    return Voice.PERMIT if stands else Voice.DENY


def outdoes(permit: Provision, denial: Provision) -> bool:
    """Return whether a permit stands against a denial: nested in it, or less of all that it is about."""
    if denial.path[: len(permit.path)] == permit.path:
        return False
    if permit.path[: len(denial.path)] == denial.path:
        return True
    return is_within(permit, denial) and not is_within(denial, permit)


def applies(provision: Provision, asked: Asked) -> bool:
    """Return whether the provision is about the request."""
    return (
        provision.period[0] <= asked.at < provision.period[1]
        and (provision.purposes is None or asked.purpose in provision.purposes)
        and (provision.actors is None or not provision.actors.isdisjoint(asked.actors))
        and acts(provision, asked.actions)
        and concerns(provision, asked.item)
    )


def concerns(provision: Provision, item: Item) -> bool:
    """Return whether the provision is about the data, whoever asks for them."""
    permits = provision.permits
    return (
        _shares(provision.classes, item.classes, permits=permits)
        and _shares(provision.codes, item.codes, permits=permits)
        and (provision.labels is None or _is_labelled(provision.labels, item.labels, permits=permits))
        and (provision.data is None or any(_is_meant(word, item, permits=permits) for word in provision.data))
        and _came_about(provision.data_period, item.period, permits=permits)
    )


def acts(provision: Provision, done: frozenset[str]) -> bool:
    """Return whether the provision is about what is done: codes of consentaction."""
    stated = provision.actions
    return stated is None or (done <= stated if provision.permits else not done.isdisjoint(stated))


def _shares(stated: Words, known: Words, *, permits: bool) -> bool:
    if stated is None:
        return True
    return not permits if known is None else not stated.isdisjoint(known)


def _is_labelled(stated: frozenset[str], labels: frozenset[str], *, permits: bool) -> bool:
    ranks = codes().confidentiality
    sensitivities = frozenset(label for label in labels if label not in ranks)
    levels = [ranks[label] for label in labels if label in ranks]
    level = max(levels) if levels else ranks["R" if sensitivities else "N"]
    stated_levels = [ranks[label] for label in stated if label in ranks]
    stated_kinds = with_kinds(stated - ranks.keys(), codes().sensitivity_with)
    if permits:
        if not sensitivities <= stated_kinds:
            return False
        if stated_levels:
            ceiling = max(stated_levels)
            return level <= ceiling or (bool(sensitivities) and not levels)
        return bool(sensitivities) and level <= ranks["R"]
    kinds = with_kinds(sensitivities, codes().sensitivity_with) | sensitivities
    return not (stated_kinds | stated).isdisjoint(kinds) or (
        bool(stated_levels) and level >= min(stated_levels)
    )


def _is_meant(word: str, item: Item, *, permits: bool) -> bool:
    meaning, _, reference = word.partition(" ")
    if meaning == "instance":
        return reference == item.reference
    if meaning == "authoredby":
        return reference in item.authors if item.authors is not None else not permits
    if meaning in ("related", "dependents"):
        if reference == item.reference or (meaning == "related" and reference in item.referred_by):
            return True
        return reference in item.refers_to if item.refers_to is not None else not permits
    return not permits


def _came_about(stated: Interval | None, known: Interval | None, *, permits: bool) -> bool:
    if stated is None:
        return True
    if known is None:
        return not permits
    if permits:
        return stated[0] <= known[0] and known[1] <= stated[1]
    return known[0] < stated[1] and stated[0] < known[1]


def item_of(resource: Json) -> Item:
    """Return a stored resource as Consents see it."""
    kind = str(resource["resourceType"])
    meta = resource.get("meta", {})
    concepts = [concept for name in _ABOUT for concept in _listed(resource.get(name))]
    codings = [
        coding for concept in concepts if isinstance(concept, dict) for coding in concept.get("coding", ())
    ]
    classes = {kind, *meta.get("profile", ()), *(coding["code"] for coding in codings if "code" in coding)}
    return Item(
        reference=f"{kind}/{resource.get('id', '')}",
        classes=frozenset(classes),
        codes=frozenset(
            f"{coding.get('system', '')}|{coding['code']}" for coding in codings if "code" in coding
        ),
        labels=labels_of(resource),
        period=_period(resource),
        authors=frozenset(
            word for name in _AUTHORS for part in _listed(resource.get(name)) for word in _found(part)
        ),
        refers_to=frozenset(_found(resource)),
    )


def within(part: Item, whole: Item) -> Item:
    """Return a part of a resource as a permit sees it: with all that is known of the whole."""
    return msgspec.structs.replace(
        part,
        classes=_joined(part.classes, whole.classes),
        codes=_joined(part.codes, whole.codes),
        labels=part.labels | whole.labels,
        authors=_joined(part.authors, whole.authors),
        refers_to=_joined(part.refers_to, whole.refers_to),
        referred_by=whole.referred_by,
    )


def showing(item: Item, products: Iterable[Item]) -> Item:
    """Return a resource with what the medicines that it names are about: an order tells what they are for."""
    for product in products:
        item = msgspec.structs.replace(
            item, codes=_joined(item.codes, product.codes), labels=item.labels | product.labels
        )
    return item


def _joined(one: Words, other: Words) -> Words:
    return one if other is None else other if one is None else one | other


def labels_of(resource: Json) -> frozenset[str]:
    """Return the codes of confidentiality and sensitivity in meta.security, and what its codes tell.

    Other tags mark other things. What its source labelled is never taken away (docs/decisions/0039).
    """
    tags = resource.get("meta", {}).get("security", ())
    stated = frozenset(
        tag["code"]
        for tag in tags
        if "code" in tag and str(tag.get("system", "")).endswith(("v3-Confidentiality", "v3-ActCode"))
    )
    return stated | sensitivities_of(resource)


def _listed(found: Any) -> list[Any]:  # Any: JSON
    return found if isinstance(found, list) else [] if found is None else [found]


def _found(part: Any) -> Iterator[str]:  # Any: JSON
    """Yield the words of all references in a part of a resource, whatever their depth."""
    if isinstance(part, list):
        for each in part:
            yield from _found(each)
    elif isinstance(part, dict):
        if isinstance(part.get("reference"), str):
            yield from reference_words(part)
        for name, value in part.items():
            if name != "contained":
                yield from _found(value)


def _period(resource: Json) -> Interval | None:
    for name in _DATES:
        for suffix in ("", "DateTime", "Period", "Instant"):
            value = resource.get(f"{name}{suffix}")
            found = date_interval(value) if isinstance(value, str) else None
            if isinstance(value, dict):
                found = period_interval(value)
            if found:
                return found
    return None
