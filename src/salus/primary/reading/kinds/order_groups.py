"""Orders that belong together (R4 RequestGroup): a prescription of several medicines (EU MPD 1.0.0)."""

from __future__ import annotations

from datetime import datetime

from salus.primary.language import Shown, labelled, original
from salus.primary.naming import name_of
from salus.primary.quantities import show_number
from salus.primary.reading.kind import Held, Kind, Resource
from salus.primary.references import resolve
from salus.primary.statements import statements_of, warning_of

ACTIONS_MAX = 100


def fields(resource: Resource, held: Held, language: str, now: datetime | None) -> list[Shown]:
    """Return the number of the group, how many orders it holds, and which."""
    actions = resource.get("action", ())[:ACTIONS_MAX]
    found = [resolve(each.get("resource"), held) for each in actions]
    names = [name_of(each, held, language) for each in found if each]
    number = original(resource.get("groupIdentifier", {}).get("value"))
    shown = [labelled("number", language, number)] if number.text else []
    shown.append(labelled("orders", language, show_number(len(actions), language)))
    shown += [labelled("order", language, each) for each in names]
    return [*warning_of(resource, language), *shown, *statements_of(resource, language, now)]


KIND = Kind(("RequestGroup",), fields)
