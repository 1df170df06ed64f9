"""Bindings of profiles answered by loaded releases, where the definitions at hand leave them open.

What definitions alone decide stays as it is; what needs a code system (SNOMED CT, LOINC by filter) is asked
of the library. What it does not hold either stays open, with what is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from salus.core.errors import SalusError
from salus.standards.fhir.profiles.terminology import IN, OUT, DefinedTerminology, Membership
from salus.standards.terminology.asked import Asked
from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.codesystem import CodeSystem, ValueSet
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.library import Layers, Library
from salus.standards.terminology.membership import Checker
from salus.standards.terminology.versions import split

REMEMBERED_MAX = 2_000
Facts = Callable[[str], Json | None]
_ASKED: Json = {"parameter": [{"name": "inferSystem", "valueBoolean": True}]}


class LoadedTerminology:
    """Answers from definitions, and from a library where they do not suffice.

    Args:
        value_set: facts of a value set by canonical, as profile validation has them.
        code_system: facts of a code system likewise.
        library: returns the library; it is asked for once, when it is first needed.
    """

    def __init__(self, value_set: Facts, code_system: Facts, library: Callable[[], Library]) -> None:
        self._defined = DefinedTerminology(value_set, code_system)
        self._facts = FactsLibrary(value_set)
        self._library = library
        self._checkers: dict[str, tuple[Checker, Inquiry] | None] = {}
        self._known: Library | None = None

    def judge(self, value_set: str, system: str, code: str) -> Membership:
        """Say whether a code belongs to a value set; system "" stands for a code element, which has none."""
        first = self._defined.judge(value_set, system, code)
        if first.answer is not None:
            return first
        made = self._checker(value_set)
        if made is None:
            return first
        checker, inquiry = made
        inquiry.restart()
        try:
            answer = checker.check(Coded("" if not system else "Coding", system, "", code, ""), Findings())
        except SalusError:
            return first
        return first if answer is None else IN if answer else OUT

    def listed(self, value_set: str) -> frozenset[tuple[str, str]] | None:
        """Return (system, code) of all that belongs to a value set, None where that is not determined."""
        return self._defined.listed(value_set)

    def _checker(self, canonical: str) -> tuple[Checker, Inquiry] | None:
        if canonical in self._checkers:
            return self._checkers[canonical]
        if self._known is None:
            self._known = Layers([self._library(), self._facts])
        inquiry = Inquiry(self._known, Asked(_ASKED))
        made = None
        found = inquiry.value_set(canonical) or inquiry.value_set(split(canonical)[0])
        if found is not None:
            try:
                made = Checker(found, inquiry), inquiry
            except SalusError:
                made = None
        if len(self._checkers) >= REMEMBERED_MAX:
            self._checkers.clear()
        self._checkers[canonical] = made
        return made


class FactsLibrary:
    """The value sets of profile validation as a library of definitions."""

    def __init__(self, value_set: Facts) -> None:
        self._value_set = value_set

    def versions(self, url: str) -> Sequence[str]:
        """Return nothing: facts of value sets only."""
        return ()

    def code_system(self, url: str, version: str) -> CodeSystem | None:
        """Return None: facts of value sets only."""
        return None

    def value_set(self, url: str, version: str) -> ValueSet | None:
        """Return a value set of the facts, None where they leave out what it is made of."""
        facts = self._value_set(f"{url}|{version}" if version else url)
        resource = None if facts is None else _resource(url, facts)
        return None if resource is None else ValueSet(resource)

    def concept_maps(self) -> Iterator[Json]:
        """Yield nothing."""
        yield from ()

    def supplements(self, url: str, version: str) -> Sequence[Json]:
        """Return nothing."""
        return ()

    def is_supplement(self, url: str) -> bool:
        """Return False."""
        return False

    def systems(self) -> Iterator[tuple[str, str]]:
        """Yield nothing."""
        yield from ()


def _resource(url: str, facts: Mapping[str, Any]) -> Json | None:
    compose = facts.get("compose")
    if compose is None:
        return None
    rows = {kind: [_include(one) for one in compose.get(kind, ())] for kind in ("include", "exclude")}
    if any(one is None for part in rows.values() for one in part):
        return None
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": rows}


def _include(row: Mapping[str, Any]) -> Json | None:
    """Return an include of facts as R4 has it, None where the facts only say what is needed."""
    if "needs" in row:
        return None
    found = {key: row[key] for key in ("system", "valueSet", "filter") if key in row}
    if "codes" in row:
        found["concept"] = [{"code": one} for one in row["codes"]]
    return found
