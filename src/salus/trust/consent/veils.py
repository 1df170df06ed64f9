"""Which rows a citizen's denials hide, and from whom: the store makes veils of it.

Pure. Words for audiences are those of `salus.trust.audiences`; what an actor's reference stands for here (a
subject, an organisation's name) is the store's to resolve, since Consents name resources.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from salus.trust.audiences import PROFESSIONALS
from salus.trust.consent.provisions import Interval, Provision, Words, is_within

_KINDS = {"Organization": "organisation", "Group": "group", "CareTeam": "group", "Device": "person"}


class Veil(msgspec.Struct, frozen=True):
    """Rows hidden from some.

    Args:
        audience: the rows are hidden from who belongs to all of these.
        spares: sets of audiences; who belongs to all of one of them sees the rows all the same.
        classes, codes, labels, data, data_period: which rows, as in `Provision`; None selects by nothing.
        period: when the veil hangs.
    """

    audience: frozenset[str]
    spares: frozenset[frozenset[str]]
    classes: Words
    codes: Words
    labels: Words
    data: Words
    data_period: Interval | None
    period: Interval


def veils_of(provisions: Iterable[Provision]) -> tuple[Veil, ...]:
    """Return a veil for each audience of each denial, in the order of the denials.

    A permit spares its actors where it outdoes the denial for all of the rows that this hides; one that
    speaks of fewer rows, or for a shorter time, spares nobody: a veil hides rather too much than too little.
    """
    known = tuple(provisions)
    return tuple(
        Veil(
            audience,
            _spared(denial, known),
            denial.classes,
            denial.codes,
            denial.labels,
            denial.data,
            denial.data_period,
            denial.period,
        )
        for denial in known
        if not denial.permits
        for audience in sorted(_audiences(denial), key=sorted)
    )


def _spared(denial: Provision, known: tuple[Provision, ...]) -> frozenset[frozenset[str]]:
    rows = msgspec.structs.replace(denial, purposes=None, actors=None, actions=None)
    return frozenset(
        audience
        for permit in known
        if permit.permits and permit.actions is None and _outdoes(permit, denial)
        if is_within(rows, msgspec.structs.replace(permit, purposes=None, actors=None))
        for audience in _audiences(permit)
    )


def _outdoes(permit: Provision, denial: Provision) -> bool:
    nested = len(permit.path) > len(denial.path) and permit.path[: len(denial.path)] == denial.path
    return nested or (is_within(permit, denial) and not is_within(denial, permit))


def _audiences(provision: Provision) -> set[frozenset[str]]:
    """Return the audiences: each actor for each purpose; professionals where neither is stated."""
    actors = [{_audience(actor)} for actor in provision.actors or ()] or [set[str]()]
    purposes = [{f"purpose:{code}"} for code in provision.purposes or ()] or [set[str]()]
    return {frozenset(actor | purpose or {PROFESSIONALS}) for actor in actors for purpose in purposes}


def _audience(actor: str) -> str:
    kind, _, _ = actor.partition("/")
    return f"{_KINDS.get(kind, 'person')}:{actor}"
