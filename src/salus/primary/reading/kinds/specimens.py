"""Specimens (R4 Specimen): what was taken, when and from where."""

from __future__ import annotations

from datetime import datetime

from salus.primary.language import Shown, labelled, show_concept
from salus.primary.quantities import show_quantity
from salus.primary.reading.kind import Held, Kind, Resource
from salus.primary.statements import statements_of, warning_of
from salus.primary.values import show_value


def fields(resource: Resource, held: Held, language: str, now: datetime | None) -> list[Shown]:
    """Return when it was collected, from which site, how and how much."""
    taken = resource.get("collection", {})
    told = [
        ("collected", show_value(taken, language, "collected", now)),
        ("body-site", show_concept(taken.get("bodySite"), language)),
        ("method", show_concept(taken.get("method"), language)),
        ("quantity", show_quantity(taken.get("quantity"), language)),
    ]
    shown = [labelled(name, language, each) for name, each in told if each.text]
    return [*warning_of(resource, language), *shown, *statements_of(resource, language, now)]


KIND = Kind(("Specimen",), fields)
