"""Goals of care (R4 Goal): what is aimed at, and how far it was reached."""

from __future__ import annotations

from datetime import datetime

from salus.primary.language import Shown, join, labelled, original, show_concept, show_status
from salus.primary.reading.kind import Held, Kind, Resource
from salus.primary.statements import statements_of, warning_of
from salus.primary.values import show_value


def fields(resource: Resource, held: Held, language: str, now: datetime | None) -> list[Shown]:
    """Return state, aim with its due date, and how far it was reached."""
    targets = [
        join(
            [
                show_concept(each.get("measure"), language),
                show_value(each, language, "detail", now),
                show_value(each, language, "due", now),
            ]
        )
        for each in resource.get("target", ())
    ]
    state = show_status(str(resource.get("lifecycleStatus", "")), language)
    reached = show_concept(resource.get("achievementStatus"), language)
    told = [state, *(labelled("target", language, each) for each in targets if each.text), reached]
    told.append(
        original(resource.get("statusReason") if isinstance(resource.get("statusReason"), str) else None)
    )
    shown = [each for each in told if each.text]
    rest = {name: each for name, each in resource.items() if name != "statusReason"}
    return [*warning_of(resource, language), *shown, *statements_of(rest, language, now)]


KIND = Kind(("Goal",), fields)
