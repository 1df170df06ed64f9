"""Measurements and findings (R4 Observation): value, range and judgement apart from what else is said."""

from __future__ import annotations

from datetime import datetime

from salus.primary.focus import is_about_another, show_focus
from salus.primary.language import Shown, labelled, show_concept
from salus.primary.reading.kind import Held, Kind, Resource
from salus.primary.reading.measure import read_measure
from salus.primary.reading.people import party
from salus.primary.references import resolve
from salus.primary.statements import statements_of, warning_of


def fields(resource: Resource, held: Held, language: str, now: datetime | None) -> list[Shown]:
    """Return whom it is about besides the patient, from what specimen, by whom, and its standing."""
    about = show_focus(resource, held, language)
    shown = (
        [labelled("about", language, about)] if about.text and not is_about_another(resource, held) else []
    )
    specimen = resolve(resource.get("specimen"), held)
    kind = show_concept(specimen.get("type"), language)
    device = str((resource.get("device") or {}).get("display", ""))
    makers = [party(each, held) for each in resource.get("performer", ())]
    shown += [labelled("specimen", language, kind)] if kind.text else []
    shown += [labelled("device", language, Shown(device, False))] if device else []
    shown += [labelled("performer", language, each) for each in makers if each]
    return [*warning_of(resource, language), *shown, *statements_of(resource, language, now)]


def members(resource: Resource) -> list[Resource]:
    """Return the results that a panel holds."""
    return [each for each in resource.get("hasMember", ()) if isinstance(each, dict)]


KIND = Kind(("Observation",), fields, read_measure, members)
