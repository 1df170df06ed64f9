"""Whose records a Group asks for: its active members, and those of the Groups within it.

A member is named by reference (of any version: the person is meant) or by identifier (http://hl7.org/fhir/R4/group.html).
What leads to no one Patient of this node is named, so that nobody is left out without a word.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import AccessRefused, NotFound
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.search.grammar import parse_query
from salus.store import resources
from salus.store.merged import merges
from salus.store.search import find_ids
from salus.web.fhir.answer import UNLIMITED
from salus.web.fhir.door import known_id, pass_gate
from salus.web.services import Services

GROUPS_MAX = 100
"""Most Groups that one Group may lead to; the others are named as left out."""

_NAME_CHARACTERS_MAX = 200
_ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in "\\,|$"})
Entity = dict[str, Any]  # Any: FHIR JSON


class Members(msgspec.Struct, frozen=True):
    """Logical ids of Patients, sorted; and references or "system|value" that lead to no one Patient here."""

    patients: tuple[str, ...]
    left_out: tuple[str, ...]


async def members(services: Services, caller: Caller, identity: str) -> Members:
    """Return the members of a Group.

    Raises:
        AccessRefused: the caller may not read it.
        NotFound: there is none of this id for the caller.
    """
    patients: set[str] = set()
    left_out: set[str] = set()
    waiting = await _entities(services, caller, identity)
    read = {identity}
    while waiting:
        entity = waiting.pop()
        kind, _, named = _plain(services, entity).partition("/")
        if kind == "Patient" and named:
            patients.add(named)
        elif kind == "Group" and named in read:
            continue
        elif kind == "Group" and named and len(read) < GROUPS_MAX:
            read.add(named)
            try:
                waiting += await _entities(services, caller, named)
            except (AccessRefused, NotFound):
                left_out.add(_name(entity))
        elif found := await _identified(services, caller, entity):
            patients.add(found)
        else:
            left_out.add(_name(entity))
    return Members(tuple(sorted(patients)), tuple(sorted(left_out)))


async def _entities(services: Services, caller: Caller, identity: str) -> list[Entity]:
    """Return whom the active members of a Group are said to be."""
    name = known_id(identity)
    async with pass_gate(services, caller, Action.READ, "Group", f"Group/{name}") as access:
        stored = await resources.read(access.grant, services.database, "Group", name)
        access.record(stored.patients)
    group = parse_json(stored.content, UNLIMITED)
    return [member.get("entity", {}) for member in group.get("member", ()) if not member.get("inactive")]


def _plain(services: Services, entity: Entity) -> str:
    """Return a reference into this node as "Type/id", without a version."""
    link = str(entity.get("reference", "")).removeprefix(f"{services.fhir_base}/")
    return link.partition("/_history/")[0]


def _name(entity: Entity) -> str:
    identifier = entity.get("identifier", {})
    named = f"{identifier.get('system', '')}|{identifier.get('value', '')}" if identifier else ""
    told = str(entity.get("reference") or named or entity.get("display") or "a member without a reference")
    return told[:_NAME_CHARACTERS_MAX]


async def _identified(services: Services, caller: Caller, entity: Entity) -> str | None:
    """Return the one person that a member's identifier names; None where it is nobody or more than one."""
    identifier = entity.get("identifier", {})
    value = str(identifier.get("value", ""))
    if not value or entity.get("type", "Patient") != "Patient":
        return None
    token = f"{str(identifier.get('system', '')).translate(_ESCAPED)}|{value.translate(_ESCAPED)}"
    query = parse_query("Patient", [("identifier", token)], services.limits, strict=True)
    try:
        async with pass_gate(services, caller, Action.SEARCH, "Patient", "Patient?identifier") as access:
            async with services.database.reading(access.grant) as connection:
                found = await find_ids(
                    access.grant, connection, query, key=services.keys.search, database=services.database
                )
            access.record(tuple(found))
    except AccessRefused:
        return None
    known = await merges(services.database, services.clock())
    return found[0] if len({known.survivor(one) for one in found}) == 1 else None
