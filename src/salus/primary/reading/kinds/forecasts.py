"""Recommended vaccinations (R4 ImmunizationRecommendation): which, why, when due."""

from __future__ import annotations

from datetime import datetime

from salus.primary.language import Shown, join, labelled, original, show_concept
from salus.primary.reading.kind import Held, Kind, Resource
from salus.primary.statements import statements_of, warning_of

RECOMMENDATIONS_MAX = 100


def fields(resource: Resource, held: Held, language: str, now: datetime | None) -> list[Shown]:
    """Return each recommendation as a field."""
    listed = resource.get("recommendation", ())[:RECOMMENDATIONS_MAX]
    shown = [labelled("recommendation", language, _one(each, language)) for each in listed]
    told = [each for each in shown if each.value]
    return [*warning_of(resource, language), *told, *statements_of(resource, language, now)]


def _one(recommendation: Resource, language: str) -> Shown:
    vaccines = [show_concept(each, language) for each in recommendation.get("vaccineCode", ())]
    disease = show_concept(recommendation.get("targetDisease"), language)
    state = show_concept(recommendation.get("forecastStatus"), language)
    dates = [
        join([show_concept(each.get("code"), language), Shown(str(each.get("value", "")), True)], " ")
        for each in recommendation.get("dateCriterion", ())
    ]
    return join([*vaccines, disease, state, *dates, original(recommendation.get("description"))])


KIND = Kind(("ImmunizationRecommendation",), fields)
