"""Whose data an incident concerns, and which: computed from the ledger's leaves (GDPR, Art. 33(3)(a)).

Where a copy of the store was taken, from what the store held.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from importlib import resources

import msgspec

from salus.core.access import Leaf, Outcome, Role
from salus.trust.breach.person import app_subject, node_subject

_TYPE = re.compile(r"[A-Za-z]+")


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One category of data: the resource types that hold it, and its name by language."""

    types: frozenset[str]
    text: dict[str, str]


class Scope(msgspec.Struct, frozen=True):
    """Which leaves an incident is about.

    Args:
        subject: of the person who opened the records, or `person.node_subject` of a node abroad for all whom
            it spoke for, or `person.app_subject` of an app whoever used it; "" for anybody.
        since, until: when, both included.
        patients: only these; empty for all that the person opened.
        of_client: the subject is an app, a client or a node: what it did in anybody's name counts.
    """

    subject: str
    since: datetime
    until: datetime
    patients: frozenset[str] = frozenset()
    of_client: bool = False

    def covers(self, leaf: Leaf) -> bool:
        """Say whether data of a patient left or changed by this leaf, in the scope."""
        return bool(
            leaf.patient
            and self._names(leaf)
            and self.since <= leaf.at <= self.until
            and leaf.outcome is Outcome.SERVED
            and leaf.resources > 0
            and (not self.patients or leaf.patient in self.patients)
        )

    def _names(self, leaf: Leaf) -> bool:
        if not self.subject or leaf.subject == self.subject:
            return True
        if leaf.node and node_subject(leaf.node) == self.subject:
            return True
        if self.subject == app_subject(leaf.app or leaf.subject) and (leaf.app or leaf.role == Role.APP):
            return True
        return self.of_client and self.subject in (leaf.app, leaf.node)


class Affected(msgspec.Struct):
    """A patient whose data left: how often, how many resources, when, and which categories."""

    patient: str
    first_at: datetime
    last_at: datetime
    accesses: int = 0
    resources: int = 0
    categories: set[str] = msgspec.field(default_factory=set)


class Extent(msgspec.Struct):
    """How far an incident reaches: people, accesses, entries, and people by category of data."""

    persons: int = 0
    accesses: int = 0
    resources: int = 0
    categories: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, affected: Iterable[Affected]) -> None:
        """Count further people."""
        for one in affected:
            self.persons += 1
            self.accesses += one.accesses
            self.resources += one.resources
            self.categories.update(one.categories)


@cache
def categories() -> dict[str, Category]:
    """Return the table, keyed by the category's short name."""
    text = resources.files(__package__).joinpath("categories.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, Category])


@cache
def category_of(what: str) -> str:
    """Return the category of what a leaf names: "Observation/1", "Observation?patient,code", "summary".

    A type that the table does not know counts as the whole record, and so does an operation over one.
    """
    found = _TYPE.match(what)
    name = "" if found is None or "$everything" in what else found[0]
    return next((key for key, category in categories().items() if name in category.types), "record")


def gather(affected: dict[str, Affected], scope: Scope, leaves: Iterable[Leaf]) -> None:
    """Add the leaves that the scope covers to what is known of each patient."""
    for leaf in leaves:
        if not scope.covers(leaf):
            continue
        one = affected.setdefault(leaf.patient, Affected(leaf.patient, leaf.at, leaf.at))
        one.first_at, one.last_at = min(one.first_at, leaf.at), max(one.last_at, leaf.at)
        one.accesses += 1
        one.resources += leaf.resources
        one.categories.add(category_of(leaf.what))


def held_as(
    patient: str, entries: Mapping[str, int], at: datetime, categories: Iterable[str] = ()
) -> Affected:
    """Return a patient of whom the store held so many entries by type, or whose `categories` were opened."""
    opened = set(categories) or {category_of(name) for name in entries}
    return Affected(patient, at, at, 0, sum(entries.values()), opened)
