"""Which other nodes got what of a record (GDPR, Art. 19): worked out from the audit, to tell them. Pure.

A node is told of an entry where the audit says that it got it: by name, or by an answer that may have held
it, given after the entry came, unless the entry was hidden then. So it learns of nothing that it did not get.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from salus.core.access import Action, Leaf, Outcome

WHOLE_RECORD = "/$everything"
SUMMARY = "/$summary"
NOT_IN_SUMMARIES = frozenset(
    {"AuditEvent", "Binary", "Bundle", "Composition", "Consent", "DocumentReference"}
)


class Entry(msgspec.Struct, frozen=True):
    """An entry that something is said of.

    Args:
        name: "Type/id".
        since: when it came, None where nobody knows any more.
        exact: it was hidden from some before: only who read it by name is known to have got it.
    """

    name: str
    since: datetime | None = None
    exact: bool = False


class Holder(msgspec.Struct, frozen=True):
    """A node that got something: the ids by which it knows the person, and which entries, () for all."""

    node: str
    whom: tuple[str, ...]
    names: tuple[str, ...] = ()


def holders(
    leaves: Iterable[Leaf], entries: Iterable[Entry], *, until: datetime, since: datetime | None = None
) -> list[Holder]:
    """Return who got something, sorted by node.

    Args:
        leaves: the accesses to all records of the person.
        entries: what is said something of; none for the whole record.
        until: what left later is not meant.
        since: what left before is not meant.
    """
    wanted = list(entries)
    whom: dict[str, set[str]] = {}
    names: dict[str, set[str]] = {}
    for leaf in leaves:
        if not (_is_copy(leaf) and leaf.at <= until and (since is None or since <= leaf.at)):
            continue
        got = {each.name for each in wanted if may_hold(leaf, each)}
        if got or not wanted:
            whom.setdefault(leaf.node, set()).add(leaf.patient)
            names.setdefault(leaf.node, set()).update(got)
    return [Holder(node, tuple(sorted(whom[node])), tuple(sorted(names[node]))) for node in sorted(whom)]


def may_hold(leaf: Leaf, entry: Entry) -> bool:
    """Return whether the answer that a leaf writes down held an entry, or may have."""
    what, kind = leaf.what, entry.name.partition("/")[0]
    if what == entry.name or what.startswith((f"{entry.name}/", f"{entry.name} ")):
        return True
    if entry.exact or (entry.since is not None and leaf.at < entry.since):
        return False
    if what.endswith(SUMMARY):
        return kind not in NOT_IN_SUMMARIES
    return what.startswith(f"{kind}?") or what.endswith(WHOLE_RECORD)


def _is_copy(leaf: Leaf) -> bool:
    """Return whether something left to another node; what it asks of the audit is not the record."""
    return (
        bool(leaf.node)
        and leaf.outcome is Outcome.SERVED
        and leaf.resources > 0
        and leaf.action != Action.AUDIT
    )
