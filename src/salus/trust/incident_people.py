"""Whom an incident concerns, page by page: from the ledger's leaves, or from what the store held."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec

from salus.core.access import Grant, Leaf
from salus.store.access_log import first_index_at, leaves_from
from salus.store.held_at import held_at
from salus.store.incidents import Incident
from salus.store.postgres import Database
from salus.trust.breach.affected import Affected, Scope, gather, held_as
from salus.trust.breach.kinds import Kind, kinds

PAGE_LEAVES = 5_000
PAGE_PEOPLE = 1_000


class AtNode(msgspec.Struct):
    """A member node through which data left: how often and of how many people. It is to be told."""

    node: str
    accesses: int = 0
    patients: set[str] = msgspec.field(default_factory=set)


def kind_of(incident: Incident) -> Kind:
    """Return the row of the table that an incident's kind names."""
    return kinds()[incident.kind]


def scope_of(incident: Incident) -> Scope:
    """Return which leaves an incident is about."""
    kind = kind_of(incident)
    subject = "" if kind.reach == "everybody" else incident.subject
    return Scope(
        subject, incident.since, incident.until, frozenset(incident.patients),
        of_client=kind.subject == "client",
    )  # fmt: skip


async def people_of(
    grant: Grant, database: Database, incident: Incident, nodes: dict[str, AtNode] | None = None
) -> AsyncIterator[list[Affected]]:
    """Yield the people concerned, at most `PAGE_PEOPLE` at a time; `nodes` takes whom else it concerns."""
    kind = kind_of(incident)
    if kind.reach == "store":
        only = frozenset(incident.patients)
        async for page in held_at(grant, database, incident.until):
            yield [
                held_as(held.patient, held.entries, incident.until, kind.categories)
                for held in page
                if not only or held.patient in only
            ]
    elif kind.reach != "nobody":
        affected = await _by_leaves(grant, database, scope_of(incident), nodes)
        ordered = sorted(affected.values(), key=lambda one: (-one.accesses, one.patient))
        for first in range(0, len(ordered), PAGE_PEOPLE):
            yield ordered[first : first + PAGE_PEOPLE]


async def _by_leaves(
    grant: Grant, database: Database, scope: Scope, nodes: dict[str, AtNode] | None
) -> dict[str, Affected]:
    affected: dict[str, Affected] = {}
    async with database.reading(grant) as connection:
        index = await first_index_at(grant, connection, scope.since)
        while leaves := await leaves_from(grant, connection, index, PAGE_LEAVES):
            found = [leaf for _, leaf in leaves]
            gather(affected, scope, found)
            if nodes is not None:
                _note_nodes(nodes, scope, found)
            index = leaves[-1][0] + 1
            if leaves[0][1].at > scope.until + timedelta(days=1):
                break
    return affected


def _note_nodes(nodes: dict[str, AtNode], scope: Scope, leaves: list[Leaf]) -> None:
    for leaf in leaves:
        if leaf.node and scope.covers(leaf):
            at = nodes.setdefault(leaf.node, AtNode(leaf.node))
            at.accesses += 1
            at.patients.add(leaf.patient)
