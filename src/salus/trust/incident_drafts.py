"""Drafts of an incident's notices: to the authority, the controller, and people in their language."""

from __future__ import annotations

from collections import defaultdict

from salus.core.access import Action
from salus.core.errors import NotFound
from salus.store.incidents import Entry, Incident
from salus.trust.breach.affected import Extent
from salus.trust.breach.clocks import duties
from salus.trust.breach.notices import Draft, Occasion, draft
from salus.trust.incident_people import kind_of, people_of
from salus.trust.incidents import TYPE, Desk, Dossier, dossier, spoken_by


async def drafts(
    desk: Desk, number: int, notice: str, language: str | None = None
) -> list[tuple[Draft, int]]:
    """Return a notice's drafts with how many people each is for: for people one a language, else one.

    Args:
        desk: who asks.
        number: of the incident.
        notice: as in `breach/clocks.toml`.
        language: only in this one; by default the node's, and for people each their own.

    Raises:
        NotFound: there is no such incident or notice.
    """
    if notice not in duties():
        raise NotFound(f"There is no notice {notice}; there are {', '.join(duties())}.")
    found = await dossier(desk, number)
    occasion = occasion_of(desk, found.incident, found.entries)
    if notice != "persons":
        drafted = draft(notice, language or desk.language, occasion, found.extent)
        return [(drafted, found.extent.persons)]
    extents = await _by_language(desk, found)
    return [
        (draft(notice, spoken, occasion, extent), extent.persons)
        for spoken, extent in sorted(extents.items())
        if language in (None, spoken)
    ]


async def _by_language(desk: Desk, found: Dossier) -> dict[str, Extent]:
    """Return how many people are told in which language."""
    extents: dict[str, Extent] = defaultdict(Extent)
    for person in found.people:
        extents[person.language].add([person.affected])
    if kind_of(found.incident).reach == "store":
        async with desk.enter(Action.AUDIT, f"{TYPE}/{found.incident.id}") as access:
            async for page in people_of(access.grant, desk.database, found.incident):
                for person in await spoken_by(desk, access.grant, page):
                    extents[person.language].add([person.affected])
    return extents


def occasion_of(desk: Desk, incident: Incident, entries: list[Entry]) -> Occasion:
    """Return what the drafts of an incident tell of."""
    return Occasion(
        desk.node, incident.id, incident.aware_at, incident.since, incident.until,
        tuple(entry.body for entry in entries if entry.kind == "note"),
        incident.kind, incident.protection,
    )  # fmt: skip
