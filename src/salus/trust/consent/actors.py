"""Whom an actor of a Consent means, in the words of `salus.trust.audiences`. Pure.

A Consent names resources or identifiers; a caller is a subject, works for an organisation, asks from a node.
A person is known by the id and the identifiers of their resource, an organisation by these and its names.

What is denied to an organisation is denied to whoever is called as it is: two of one name are told apart by
nobody who knows them by name. What is permitted to one that has an identifier is permitted by that; by its
name only to those whom nobody vouched an identifier for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from salus.trust.audiences import NAMED
from salus.trust.consent.provisions import reference_words

Json = Mapping[str, Any]
"""A resource: JSON."""
Names = Mapping[str, Json]
"""The resources that actors name, by "Type/id"."""

_PERSONS = frozenset({"Practitioner", "Patient", "RelatedPerson", "Device", "Person"})
_SYSTEMS = {
    "urn:iso:std:iso:3166": ("country",),
    "urn:salus:organisation": ("organisation",),
    "urn:salus:person": ("person",),
    "urn:salus:node": ("node",),
}
_AUDIENCES = "urn:salus:audience"
"""A system whose values are audiences themselves: abroad."""
_ANY = ("person", "organisation")


def words_of_actor(actor: str, names: Names, *, permits: bool = False) -> frozenset[str]:
    """Return the words by which a caller may be known as the actor; none where nobody is told.

    Args:
        actor: "Type/id" or "system|value", as in `Provision.actors`.
        names: the resources known.
        permits: whether something is permitted to them, not denied.
    """
    return frozenset(_words(actor, names, depth=2, permits=permits))


def _words(actor: str, names: Names, *, depth: int, permits: bool) -> Iterator[str]:
    if "|" in actor:
        system, _, value = actor.partition("|")
        if system == _AUDIENCES:
            yield value
            return
        yield from (f"{kind}:{value}" for kind in _SYSTEMS.get(system, _ANY))
        if system not in _SYSTEMS:
            yield f"organisation:{actor}"
        return
    resource = names.get(actor)
    if resource is None:
        return
    kind = actor.partition("/")[0]
    if kind in _PERSONS:
        yield from _known_by("person", actor, resource)
    elif kind == "Organization":
        yield from _known_by("organisation", actor, resource)
        numbers = list(_identifiers(resource))
        yield from (f"organisation:{number}" for number in numbers)
        titles = [resource.get("name"), *resource.get("alias", ())]
        word = NAMED if permits and numbers else "organisation"
        yield from (f"{word}:{title}" for title in titles if title)
    elif depth:
        for member in _members(kind, resource):
            yield from _words(member, names, depth=depth - 1, permits=permits)


def _members(kind: str, resource: Json) -> Iterator[str]:
    if kind == "PractitionerRole":  # the person in it; the organisation only where it names nobody
        yield from reference_words(resource.get("practitioner") or resource.get("organization"))
    for each in resource.get("participant", ()):
        yield from reference_words(each.get("member"))
    for each in resource.get("member", ()):
        if not each.get("inactive"):
            yield from reference_words(each.get("entity"))


def _identifiers(resource: Json) -> Iterator[str]:
    for identifier in resource.get("identifier", ()):
        if identifier.get("system") and identifier.get("value"):
            yield f"{identifier['system']}|{identifier['value']}"


def _known_by(word: str, actor: str, resource: Json) -> Iterator[str]:
    yield f"{word}:{actor.partition('/')[2]}"
    for identifier in resource.get("identifier", ()):
        if identifier.get("value"):
            yield f"{word}:{identifier['value']}"
