"""Imaging studies (R4 ImagingStudy): what pictures there are; they stay where they are."""

from __future__ import annotations

from datetime import datetime

from salus.primary.language import Shown, join, labelled, original, show_concept
from salus.primary.quantities import show_number
from salus.primary.reading.kind import Held, Kind, Resource
from salus.primary.reading.people import identifiers
from salus.primary.statements import statements_of, warning_of

SERIES_MAX = 50


def fields(resource: Resource, held: Held, language: str, now: datetime | None) -> list[Shown]:
    """Return kinds of images, procedure, numbers of series and images, each series, the study's numbers."""
    modalities = join(show_concept({"coding": [each]}, language) for each in resource.get("modality", ()))
    procedures = join(show_concept(each, language) for each in resource.get("procedureCode", ()))
    numbers = ((name, resource.get(member)) for name, member in _NUMBERS)
    listed = resource.get("series", ())[:SERIES_MAX]
    told = [
        ("modality", modalities),
        ("procedure", procedures),
        *(
            (name, Shown(show_number(number, language), True))
            for name, number in numbers
            if number is not None
        ),
        *(("one-series", _series(each, language)) for each in listed),
        *(("number", original(each)) for each in identifiers(resource)),
    ]
    shown = [labelled(name, language, each) for name, each in told if each.text]
    return [*warning_of(resource, language), *shown, *statements_of(resource, language, now)]


def _series(series: Resource, language: str) -> Shown:
    """Return one series: number, what it shows, of which part of the body, how many images."""
    number = series.get("number")
    images = series.get("numberOfInstances", len(series.get("instance", ())) or None)
    kinds = [
        show_concept({"coding": [series[name]]}, language)
        for name in ("modality", "bodySite")
        if series.get(name)
    ]
    counted = (
        labelled("images", language, show_number(images, language)) if images is not None else Shown("", True)
    )
    return join(
        [
            Shown("" if number is None else str(number), True),
            original(series.get("description")),
            *kinds,
            counted,
        ]
    )


_NUMBERS = (("series", "numberOfSeries"), ("images", "numberOfInstances"))
KIND = Kind(("ImagingStudy",), fields)
