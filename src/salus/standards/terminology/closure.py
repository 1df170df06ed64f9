"""ConceptMap/$closure (R4): which of a growing set of codes lie beneath which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from salus.standards.terminology.concepts import Json
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import Unanswerable, issue

CODES_MAX = 10_000
"""Most codes that a closure table may hold."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


class Pair(msgspec.Struct, frozen=True):
    """That a code lies beneath another of the same system."""

    system: str
    below: str
    above: str


def check_name(name: str) -> None:
    """Refuse what cannot name a closure table.

    Raises:
        Unanswerable: it cannot.
    """
    if not _NAME(name):
        raise Unanswerable(issue("error", "invalid", "", "name", "CLOSURE_NAME", wanted=name), status=400)


def pairs(inquiry: Inquiry, known: Iterable[tuple[str, str]], new: Sequence[tuple[str, str]]) -> list[Pair]:
    """Return what new codes (system, code) add to a table, in the order of the codes.

    Raises:
        Unanswerable: a code system is not at hand.
        TooCostly: it takes too long.
    """
    found: dict[Pair, None] = {}
    held = dict.fromkeys(known)
    for url, code in new:
        system = inquiry.code_system(url, "")
        if system is None:
            raise Unanswerable(issue("error", "not-found", "not-found", "", "NO_HIERARCHY", system=url))
        for other_url, other in held:
            inquiry.step()
            if other_url != url or other == code:
                continue
            if system.is_below(code, other):
                found[Pair(url, code, other)] = None
            elif system.is_below(other, code):
                found[Pair(url, other, code)] = None
        held[(url, code)] = None
    return list(found)


def concept_map(name: str, version: str, found: Sequence[Pair], timestamp: str) -> Json:
    """Return what was added to a table as a ConceptMap."""
    groups: dict[str, dict[str, list[Json]]] = {}
    for one in found:
        row = {"code": one.above, "equivalence": "subsumes"}
        groups.setdefault(one.system, {}).setdefault(one.below, []).append(row)
    result: Json = {
        "resourceType": "ConceptMap",
        "version": version,
        "name": name,
        "status": "active",
        "experimental": True,
        "date": timestamp,
    }
    rows = [
        {
            "source": url,
            "target": url,
            "element": [{"code": code, "target": above} for code, above in elements.items()],
        }
        for url, elements in groups.items()
    ]
    return result | ({"group": rows} if rows else {})
