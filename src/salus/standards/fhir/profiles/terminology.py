"""Is a code in a value set: a protocol, and the answer that definitions at hand can give (R4,
terminologies.html).

A value set that lists its codes, or takes them from complete code systems, is decided. What depends on a
system
that is not at hand (SNOMED CT, LOINC by filter) is not guessed: the answer is "unknown", with what it needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from salus.standards.fhir.model import value_set_codes
from salus.standards.fhir.packages.definitions import Json
from salus.standards.fhir.profiles.filters import keeps
from salus.standards.fhir.validation.foreign_codes import currencies, is_media_type

REMEMBERED_MAX = 5_000
"""Most value sets that are kept expanded."""

NESTED_MAX = 12
"""Deepest nesting of value sets that include each other."""

Find = Callable[[str], Json | None]


class Membership(msgspec.Struct, frozen=True):
    """Whether a code belongs; None for unknown, and then what an answer needs."""

    answer: bool | None
    needs: str = ""


IN, OUT = Membership(True), Membership(False)


class Terminology(Protocol):
    """What profile validation asks of a terminology service."""

    def judge(self, value_set: str, system: str, code: str) -> Membership:
        """Say whether a code belongs to a value set; system "" stands for a code element, which has none."""

    def listed(self, value_set: str) -> frozenset[tuple[str, str]] | None:
        """Return (system, code) of all that belongs to a value set, None where that is not determined."""


class Content(msgspec.Struct, frozen=True):
    """A value set as far as it is determined.

    Args:
        codes: those that belong, by system.
        open: systems of which codes may belong that are not listed, each with what is needed to say.
        whole: what is needed to say anything about codes of other systems, "" when nothing is.
    """

    codes: Mapping[str, frozenset[str]] = {}
    open: Mapping[str, str] = {}
    whole: str = ""


def _language(code: str) -> bool:
    return re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", code) is not None


_FOREIGN: Mapping[str, Callable[[str], bool]] = {
    "urn:ietf:bcp:13": is_media_type,
    "urn:ietf:bcp:47": _language,
    "urn:iso:std:iso:4217": lambda code: code in currencies(),
}


class DefinedTerminology:
    """Answers from definitions alone.

    Args:
        value_set, code_system: facts of a definition by canonical, None where it is not at hand.
    """

    def __init__(self, value_set: Find, code_system: Find) -> None:
        self._value_set = value_set
        self._code_system = code_system
        self._contents: dict[str, Content] = {}

    def judge(self, value_set: str, system: str, code: str) -> Membership:
        """Say whether a code belongs to a value set."""
        content = self.content(value_set)
        if not system:
            return self._judge_bare(content, code)
        if code in content.codes.get(system, ()):
            return IN
        needs = content.open.get(system, content.whole)
        if not needs:
            return OUT
        foreign = _FOREIGN.get(system)
        if foreign is not None and not content.whole:
            return Membership(foreign(code))
        return Membership(None, needs)

    def listed(self, value_set: str) -> frozenset[tuple[str, str]] | None:
        """Return (system, code) of all that belongs to a value set, None where that is not determined."""
        content = self.content(value_set)
        if content.open or content.whole:
            return None
        return frozenset((system, code) for system, codes in content.codes.items() for code in codes)

    def _judge_bare(self, content: Content, code: str) -> Membership:
        if any(code in codes for codes in content.codes.values()):
            return IN
        for system, needs in content.open.items():
            foreign = _FOREIGN.get(system)
            if foreign is None:
                return Membership(None, needs)
            if foreign(code):
                return IN
        return Membership(None, content.whole) if content.whole else OUT

    def content(self, canonical: str) -> Content:
        """Return a value set as far as it is determined."""
        known = self._contents.get(canonical)
        if known is None:
            known = self._expanded(canonical, 0)
            if len(self._contents) >= REMEMBERED_MAX:
                self._contents.clear()
            self._contents[canonical] = known
        return known

    def _expanded(self, canonical: str, depth: int) -> Content:
        facts = self._value_set(canonical)
        if facts is None or depth > NESTED_MAX:
            known = value_set_codes(canonical)
            if known is not None:
                return Content(known)
            return Content(whole=f"the value set {canonical}")
        if "compose" not in facts:
            return _listed(facts.get("contains", ()), canonical)
        compose = facts["compose"]
        found = _union(self._part(row, depth) for row in compose.get("include", ()))
        for row in compose.get("exclude", ()):
            found = _without(found, self._part(row, depth))
        return found

    def _part(self, row: Json, depth: int) -> Content:
        parts = [self._expanded(str(one), depth + 1) for one in row.get("valueSet", ())]
        if "needs" in row and "system" not in row:
            parts.append(Content(whole=str(row["needs"])))
        if "system" in row:
            parts.append(self._of_system(row))
        found = parts[0] if parts else Content()
        for other in parts[1:]:
            found = _common(found, other)
        return found

    def _of_system(self, row: Json) -> Content:
        system = str(row["system"])
        if "needs" in row:
            return Content(open={system: str(row["needs"])})
        if "codes" in row:
            return Content({system: frozenset(row["codes"])})
        facts = self._code_system(system)
        concepts = facts.get("concepts") if facts and facts.get("content") == "complete" else None
        if not concepts:
            return Content(open={system: f"the content of {system}"})
        kept = concepts
        for one in row.get("filter", ()):
            chosen = keeps(one, concepts)
            if chosen is None:
                return Content(open={system: f"the filter {one.get('property')} {one.get('op')} of {system}"})
            kept = [concept for concept in kept if concept["code"] in chosen]
        return Content({system: frozenset(concept["code"] for concept in kept)})


def _listed(rows: Iterable[tuple[str, str]], canonical: str) -> Content:
    codes: dict[str, set[str]] = {}
    for system, code in rows:
        codes.setdefault(system, set()).add(code)
    if not codes:
        return Content(whole=f"the content of the value set {canonical}")
    return Content({system: frozenset(found) for system, found in codes.items()})


def _union(parts: Iterable[Content]) -> Content:
    codes: dict[str, frozenset[str]] = {}
    open_: dict[str, str] = {}
    whole = ""
    for part in parts:
        for system, found in part.codes.items():
            codes[system] = codes.get(system, frozenset()) | found
        open_.update(part.open)
        whole = whole or part.whole
    return Content(codes, open_, whole)


def _without(left: Content, right: Content) -> Content:
    codes = {system: found - right.codes.get(system, frozenset()) for system, found in left.codes.items()}
    for system, needs in right.open.items():
        if system in codes:
            return Content(
                {one: found for one, found in codes.items() if one != system},
                dict(left.open) | {system: needs},
                left.whole,
            )
    return Content(codes, left.open, left.whole or (right.whole if codes else ""))


def _common(left: Content, right: Content) -> Content:
    codes: dict[str, frozenset[str]] = {}
    open_: dict[str, str] = {}
    for system in {*left.codes, *right.codes, *left.open, *right.open}:
        both = left.codes.get(system, frozenset()) & right.codes.get(system, frozenset())
        if both:
            codes[system] = both
        unsure = [side.open.get(system, side.whole) for side in (left, right)]
        may = [system in side.codes or bool(needs) for side, needs in zip((left, right), unsure, strict=True)]
        if any(unsure) and all(may):
            open_[system] = unsure[0] or unsure[1]
    return Content(codes, open_, left.whole and right.whole)
