"""Reports of examinations (R4 DiagnosticReport): the conclusion, and the results that belong to it."""

from __future__ import annotations

from datetime import datetime

from salus.primary.details import details_of
from salus.primary.language import Shown, join, labelled, original, show_concept
from salus.primary.reading.kind import Held, Kind, Resource
from salus.primary.reading.people import party
from salus.primary.references import resolve

NOTE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"


def fields(resource: Resource, held: Held, language: str, now: datetime | None) -> list[Shown]:
    """Return the conclusion, notes, kind, specimens, and who made it."""
    notes = [
        original(each.get("valueAnnotation", {}).get("text"))
        for each in resource.get("extension", ())
        if each.get("url") == NOTE
    ]
    specimens = join(
        show_concept(resolve(each, held).get("type"), language) for each in resource.get("specimen", ())
    )
    makers = [*resource.get("resultsInterpreter", ()), *resource.get("performer", ())]
    kinds = join(show_concept(each, language) for each in resource.get("category", ()))
    told = [
        *(("note", each) for each in notes),
        ("category", kinds),
        ("specimen", specimens),
        *(("performer", Shown(each, True)) for each in dict.fromkeys(party(each, held) for each in makers)),
    ]
    shown = [labelled(name, language, each) for name, each in told if each.text]
    return [*details_of(resource, held, language, now), *shown]


def results(resource: Resource) -> list[Resource]:
    """Return the results of the report."""
    return [each for each in resource.get("result", ()) if isinstance(each, dict)]


KIND = Kind(("DiagnosticReport",), fields, parts=results)
