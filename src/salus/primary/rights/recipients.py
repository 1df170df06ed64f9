"""Who got something of a person's record (GDPR, Art. 15(1)(c) and 19): the accesses, by recipient. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from salus.core.access import Leaf, Outcome, Role

_THEMSELVES = frozenset({Role.CITIZEN.value})


class Recipient(msgspec.Struct, frozen=True):
    """One recipient.

    Args:
        organisation: its name; "" for a person or an app.
        name: of the person or app where there is no organisation, else "".
        node: the member node that asked, "" for this one.
        country: ISO 3166-1 alpha-2, "" where it is not known.
        purposes: HL7 v3 codes, sorted.
        accesses: how many requests were answered with something.
        resources: how many resources left in all, the same one each time it left.
        first_at, last_at: when.
        withheld: who it was is not told for the time being (EHDS, Art. 9(3)).
    """

    organisation: str
    name: str
    node: str
    country: str
    purposes: tuple[str, ...]
    accesses: int
    resources: int
    first_at: datetime
    last_at: datetime
    withheld: bool = False


def recipients(
    accesses: Iterable[tuple[Leaf, bool]],
    country_of: Callable[[str], str],
    name_of: Callable[[str], str] = str,
) -> list[Recipient]:
    """Return who got something, the latest first; an app that a person lets in is one, and not the person.

    Args:
        accesses: each with whether its author is withheld.
        country_of: the country of a node, of this one for "".
        name_of: the name of an app, by its client id.
    """
    groups: dict[tuple[str, str, str, bool], list[Leaf]] = {}
    for leaf, withheld in accesses:
        is_own = leaf.role in _THEMSELVES and not leaf.app
        if leaf.outcome is not Outcome.SERVED or is_own or not leaf.resources:
            continue
        key = ("", "", "", True) if withheld else (*_who(leaf, name_of), leaf.node, False)
        groups.setdefault(key, []).append(leaf)
    found = [
        Recipient(
            organisation=organisation,
            name=name,
            node=node,
            country="" if withheld else country_of(node),
            purposes=() if withheld else tuple(sorted({leaf.purpose for leaf in leaves})),
            accesses=len({leaf.request for leaf in leaves}),
            resources=sum(leaf.resources for leaf in leaves),
            first_at=min(leaf.at for leaf in leaves),
            last_at=max(leaf.at for leaf in leaves),
            withheld=withheld,
        )
        for (organisation, name, node, withheld), leaves in groups.items()
    ]
    return sorted(found, key=lambda each: (each.last_at, each.organisation, each.name), reverse=True)


def _who(leaf: Leaf, name_of: Callable[[str], str]) -> tuple[str, str]:
    """Return the organisation, or where there is none the name, of whoever got it."""
    if leaf.app and not leaf.organisation:
        return "", name_of(leaf.app)
    return leaf.organisation, "" if leaf.organisation else leaf.name
