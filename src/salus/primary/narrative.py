"""A resource as a line a person can read, and lines as a safe XHTML table (R4 narrative).

Every text that came from a record is escaped; no markup of a record ever enters a narrative of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

import msgspec

from salus.primary.dates import clinical_moment, event_date
from salus.primary.days import day
from salus.primary.details import details_of, in_time
from salus.primary.language import Shown, join, labelled, say, show_status, word
from salus.primary.medicines import dosages, followed, orders_of
from salus.primary.naming import name_of
from salus.primary.selection import NOT_ORDERED
from salus.primary.statements import dosages_of

XHTML = "http://www.w3.org/1999/xhtml"
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
USE = {
    "active": "taken", "completed": "no-longer-taken", "stopped": "no-longer-taken",
    "intended": "to-be-taken", "on-hold": "paused", "not-taken": "", "entered-in-error": "",
}  # fmt: skip
"""What each status of a MedicationStatement says of its use; of any other it is not known."""


class Line(msgspec.Struct, frozen=True):
    """One entry for a reader.

    Args:
        what: its name in the reader's language, or the original, marked.
        details: status, value, dose, reactions and the like, each as `what`.
        when: the clinical date as written, "" when unknown.
    """

    what: Shown
    details: tuple[Shown, ...]
    when: str


def line(
    resource: Resource,
    held: Mapping[str, Resource],
    language: str,
    *,
    orders: Sequence[Resource] = (),
    doubted: bool = False,
    now: datetime | None = None,
) -> Line:
    """Return the resource as a line.

    Args:
        resource: an entry of a section.
        held: Medication and Device resources by "Type/id".
        language: BCP 47 language code.
        orders: the prescriptions of the same medicine, newest first, for which this line stands as well.
        doubted: whether it says "none known" beside entries that say otherwise.
        now: when the line is read, to say that a time is over; None where that does not matter.
    """
    orders = orders or sorted(filter(_is_order, followed(resource, held)), key=clinical_moment, reverse=True)
    beside = [say("beside-others", language)] if doubted else []
    standing = [*beside, *_standing(resource, orders, language, now)]
    details = [*standing, *details_of(resource, held, language, now)]
    return Line(
        in_time(resource, name_of(resource, held, language), language, now),
        tuple(show for show in details if show.text),
        event_date(resource),
    )


def sentence(entry: Line, language: str) -> str:
    """Return the line as one XHTML paragraph, for the narrative of the entry itself."""
    parts = [_cell(each, language) for each in (entry.what, *entry.details)]
    return f"<p>{'; '.join([*parts, *([escape(entry.when)] if entry.when else [])])}</p>"


def table(lines: Sequence[Line], language: str, *, left_out: int = 0) -> str:
    """Return the lines as an XHTML fragment in the language."""
    heads = "".join(f"<th>{escape(word(name, language))}</th>" for name in ("what", "detail", "when"))
    rows = "".join(
        f"<tr><td>{_cell(each.what, language)}</td>"
        f"<td>{'; '.join(_cell(detail, language) for detail in each.details)}</td>"
        f"<td>{escape(each.when)}</td></tr>"
        for each in lines
    )
    note = f"<p>{escape(word('older', language))}: {left_out}</p>" if left_out else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{note}"


def paragraph(text: str) -> str:
    """Return the text as an XHTML paragraph."""
    return f"<p>{escape(text)}</p>"


def narrative(fragments: Mapping[str, str]) -> dict[str, str]:
    """Return an R4 Narrative of one fragment for each language, in the order given."""
    blocks = "".join(
        f'<div lang="{language}" xml:lang="{language}">{fragment}</div>'
        for language, fragment in ((escape(key), fragment) for key, fragment in fragments.items())
    )
    return {"status": "generated", "div": f'<div xmlns="{XHTML}">{blocks}</div>'}


def _cell(shown: Shown, language: str) -> str:
    marked = "" if shown.translated else f" <i>({escape(word('original', language))})</i>"
    return escape(shown.text) + marked


def _standing(
    resource: Resource, orders: Sequence[Resource], language: str, now: datetime | None
) -> list[Shown]:
    """Return whether a medicine is taken, prescribed or both, and what its orders say beside it."""
    kind = resource.get("resourceType")
    if resource.get("doNotPerform"):
        return []
    if kind == "MedicationRequest" and resource.get("intent") in NOT_ORDERED:
        return [say("only-planned", language)]
    if kind == "MedicationRequest":
        return [Shown(word("prescribed", language), True), *_earlier(len(orders), language)]
    use = USE.get(str(resource.get("status")), "not-known-whether-taken")
    taken = [say(use, language)] if use and kind == "MedicationStatement" else []
    if not orders:
        return [*taken, *([Shown(word("prescribed", language), True)] if orders_of(resource) else [])]
    told: list[Resource] = []
    for order in orders:
        if all(_differs(order, other) for other in told):
            told.append(order)
    prescribed = [_prescribed(order, resource, language, now) for order in told]
    return [*taken, *prescribed, *_earlier(len(orders) - len(told), language)]


def _prescribed(order: Resource, statement: Resource, language: str, now: datetime | None) -> Shown:
    """Return that and when it was prescribed, and the dose and standing in which the statement differs."""
    written = event_date(order)
    when = day(written, language) if written else ""
    parts = [Shown(f"{word('prescribed', language)} {when}".strip(), True)]
    if dosages(order) != dosages(statement):
        parts += dosages_of(order, language, now)
    status = str(order.get("status", ""))
    ended = status not in {"active", statement.get("status")}
    return join([join(parts, ": "), *([show_status(status, language)] if ended else [])])


def _differs(order: Resource, other: Resource) -> bool:
    return (dosages(order), order.get("status")) != (dosages(other), other.get("status"))


def _earlier(number: int, language: str) -> list[Shown]:
    return [labelled("same-orders", language, str(number))] if number else []


def _is_order(resource: Resource) -> bool:
    return resource.get("resourceType") == "MedicationRequest"
