"""Checks that a face makes are counted: whose files are without error, and what is wrong (0047)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from salus.core.access import Caller
from salus.core.limits import Limits
from salus.intake.judged import Judged, judge
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.profiles.brief import brief_of, identifiers_of
from salus.standards.fhir.profiles.categories import detect
from salus.standards.fhir.profiles.shipped import shipped_book
from salus.store.shares import beside
from salus.store.tallies import is_first, tallies_of_check
from salus.web.services import Services
from salus.web.surprises import FAILURES, told_of

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


def system_of(caller: Caller) -> str:
    """Return the system that a file comes from as far as its sender says: never a person."""
    return caller.app or caller.node or caller.organisation


async def check_received(services: Services, system: str, content: bytes, media_type: str) -> None:
    """Check a document that was received by the profiles of its category, and count it.

    What is no FHIR JSON document, or cannot be read as one, is not: it is kept already, whatever it is.
    """
    if "json" not in media_type or b'"document"' not in content:
        return
    try:
        judged = await beside(len(content), _judged, content, services.limits)
    except FAILURES as error:
        told_of(error, "check of a document")
        return
    if judged is not None:
        await _count(services, "publish", system, judged)


def _judged(content: bytes, limits: Limits) -> Judged | None:
    document = parse_json(content, limits)
    return judge(document) if document.get("resourceType") == "Bundle" else None


async def count_check(
    services: Services, way: str, system: str, resource: Resource, rules: Iterable[str], seconds: float
) -> None:
    """Count one check.

    Args:
        services: the node.
        way: how the file came: validate, form, publish.
        system: where it comes from.
        resource: what was checked.
        rules: ids of the rules that it breaks.
        seconds: how long the check took.
    """
    brief = brief_of(resource, detect(dict(resource)), rules, shipped_book())
    await _count(services, way, system, Judged(brief, tuple(identifiers_of(resource)), seconds * 1_000))


async def _count(services: Services, way: str, system: str, judged: Judged) -> None:
    now = services.clock()
    own = judged.identifiers if judged.brief.category else ()  # of what is no document nobody asks
    first = await is_first(services.database, services.keys.search, system, own, now.date())
    for tally in tallies_of_check(way, system, judged.brief, services.systems, is_first=first):
        services.tallies.count(tally, now, judged.milliseconds)
