"""Concept maps of R4 and of R5, read alike: R5 renamed the relation of the two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from salus.standards.terminology.concepts import Json
from salus.standards.terminology.versions import join

EQUIVALENCES: Mapping[str, str] = {
    "relatedto": "related-to",
    "equivalent": "equivalent",
    "equal": "equivalent",
    "wider": "source-is-narrower-than-target",
    "subsumes": "source-is-narrower-than-target",
    "narrower": "source-is-broader-than-target",
    "specializes": "source-is-broader-than-target",
    "inexact": "related-to",
    "unmatched": "not-related-to",
    "disjoint": "not-related-to",
}
"""R5 relation of each R4 equivalence, which says how the target stands to the source."""

RELATIONS: Mapping[str, str] = {
    "related-to": "relatedto",
    "equivalent": "equivalent",
    "source-is-narrower-than-target": "wider",
    "source-is-broader-than-target": "narrower",
    "not-related-to": "disjoint",
}
"""R4 equivalence of each R5 relation."""


class Mapped(msgspec.Struct, frozen=True):
    """A translation that a map gives.

    Args:
        relation: of R5, source to target; "" where the map does not say.
        equivalence: of R4, "" where the map does not say.
    """

    source: Json
    target: Json
    relation: str
    equivalence: str
    map_canonical: str
    comment: str = ""

    def is_translation(self) -> bool:
        """Return whether it relates the two at all."""
        return self.relation != "not-related-to"


def canonical_of(concept_map: Mapping[str, Any]) -> str:
    """Return url and version of a map."""
    return join(str(concept_map.get("url", "")), str(concept_map.get("version", "")))


def scope_of(concept_map: Mapping[str, Any], side: str) -> str:
    """Return the value set that bounds a side ("source" or "target") of a map, "" for none."""
    names = [f"{side}Scope{kind}" for kind in ("Uri", "Canonical")] + [
        f"{side}{kind}" for kind in ("Uri", "Canonical")
    ]
    return next((str(concept_map[one]) for one in names if one in concept_map), "")


def groups(concept_map: Mapping[str, Any], source: str, target: str) -> Iterator[Json]:
    """Yield the groups between two systems; "" for any."""
    for group in concept_map.get("group", ()):
        source_of, target_of = (str(group.get(one, "")).partition("|")[0] for one in ("source", "target"))
        if (not source or source_of == source) and (not target or target_of == target):
            yield group


def relation_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the R5 relation and the R4 equivalence of a target."""
    relation, equivalence = str(row.get("relationship", "")), str(row.get("equivalence", ""))
    return relation or EQUIVALENCES.get(equivalence, ""), equivalence or RELATIONS.get(relation, "")


def coding(system: object, code: object, display: object = "") -> Json:
    """Return a Coding of what is known."""
    row = {"system": str(system or "").partition("|")[0], "code": code, "display": display}
    return {key: value for key, value in row.items() if value}
