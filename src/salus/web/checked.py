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

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


def system_of(caller: Caller) -> str:
    """Return the system that a file comes from as far as its sender says: never a person."""
    return caller.app or caller.node or caller.organisation


async def check_received(services: Services, system: str, content: bytes, media_type: str) -> None:
    """Check a document that was received by the profiles of its category, and count it; what is no FHIR JSON
    document is not checked.
    """
    if "json" not in media_type or b'"document"' not in content:
        return
    judged = await beside(len(content), _judged, content, services.limits)
    if judged is not None:
        own = judged.identifiers if judged.brief.category else ()
        now = services.clock()
        first = await is_first(services.database, services.keys.search, system, own, now.date())
        for tally in tallies_of_check("publish", system, judged.brief, services.systems, is_first=first):
            services.tallies.count(tally, now, judged.milliseconds)


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
    now = services.clock()
    brief = brief_of(resource, detect(dict(resource)), rules, shipped_book())
    own = identifiers_of(resource) if brief.category else []  # of what is no document nobody asks
    first = await is_first(services.database, services.keys.search, system, own, now.date())
    for tally in tallies_of_check(way, system, brief, services.systems, is_first=first):
        services.tallies.count(tally, now, seconds * 1_000)
