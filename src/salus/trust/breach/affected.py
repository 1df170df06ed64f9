"""Whose data an incident concerns, and which: computed from the ledger's leaves (GDPR, Art. 33(3)(a))."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib import resources

import msgspec

from salus.core.access import Leaf, Outcome
from salus.trust.breach.person import node_subject

_TYPE = re.compile(r"[A-Za-z]+")


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One category of data: the resource types that hold it, and its name by language."""

    types: frozenset[str]
    text: dict[str, str]


class Scope(msgspec.Struct, frozen=True):
    """Which leaves an incident is about.

    Args:
        subject: of the person who opened the records, or `person.node_subject` of a node abroad for all whom
            it spoke for.
        since, until: when, both included.
        patients: only these; empty for all that the person opened.
    """

    subject: str
    since: datetime
    until: datetime
    patients: frozenset[str] = frozenset()

    def covers(self, leaf: Leaf) -> bool:
        """Say whether data of a patient left or changed by this leaf, in the scope."""
        return bool(
            leaf.patient
            and (leaf.subject == self.subject or (leaf.node and node_subject(leaf.node) == self.subject))
            and self.since <= leaf.at <= self.until
            and leaf.outcome is Outcome.SERVED
            and leaf.resources > 0
            and (not self.patients or leaf.patient in self.patients)
        )


class Affected(msgspec.Struct):
    """A patient whose data left: how often, how many resources, when, and which categories."""

    patient: str
    first_at: datetime
    last_at: datetime
    accesses: int = 0
    resources: int = 0
    categories: set[str] = msgspec.field(default_factory=set)


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
