"""Stays and visits (R4 Encounter): kind, time, why, with whom, where from and where to."""

from __future__ import annotations

from datetime import datetime

from salus.primary.language import Shown, join, labelled, original, show_concept
from salus.primary.quantities import show_period
from salus.primary.reading.kind import Held, Kind, Resource
from salus.primary.reading.people import party
from salus.primary.statements import statements_of, warning_of


def fields(resource: Resource, held: Held, language: str, now: datetime | None) -> list[Shown]:
    """Return what is known of the stay."""
    stay = resource.get("hospitalization", {})
    kinds = [show_concept({"coding": [resource["class"]]}, language)] if resource.get("class") else []
    kinds += [show_concept(each, language) for each in resource.get("type", ())]
    people = [party(each.get("individual", {}), held) for each in resource.get("participant", ())]
    places = [party(each.get("location", {}), held) for each in resource.get("location", ())]
    told = [
        ("category", join(kinds)),
        ("period", show_period(resource.get("period"), language)),
        (
            "admitted-from",
            join([show_concept(stay.get("admitSource"), language), _place(stay, "origin", held)]),
        ),
        (
            "discharged-to",
            join(
                [show_concept(stay.get("dischargeDisposition"), language), _place(stay, "destination", held)]
            ),
        ),
        ("place", Shown(", ".join(each for each in places if each), True)),
        ("participants", Shown(", ".join(each for each in people if each), True)),
        ("performer", Shown(party(resource.get("serviceProvider") or {}, held), True)),
    ]
    shown = [labelled(name, language, each) for name, each in told if each.text]
    return [*warning_of(resource, language), *shown, *statements_of(resource, language, now)]


def _place(stay: Resource, member: str, held: Held) -> Shown:
    return original(party(stay.get(member) or {}, held))


KIND = Kind(("Encounter",), fields)
