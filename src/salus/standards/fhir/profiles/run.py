"""One validation under way: what was found, what was looked at already, and what lies around."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from salus.standards.fhir.profiles.items import Item
from salus.standards.fhir.profiles.surroundings import Resource, Surroundings
from salus.standards.fhir.profiles.terminology import Terminology
from salus.standards.fhir.validation.issue import Findings, Issue, Severity, Where, render

JUDGED_ISSUES_MAX = 300
"""Most issues kept of one resource against one profile."""

_NONE: tuple[Issue, ...] = ()


class Checks(Protocol):
    """Where compiled profiles come from."""

    def check_of(self, canonical: str) -> Check | None:
        """Return the check of a profile, None where it is not at hand."""

    def type_of(self, canonical: str) -> str:
        """Return the type that a profile constrains, "" where it is not at hand."""


class Check(Protocol):
    """Looks at an item and tells a run what is wrong."""

    def __call__(self, item: Item, run: Run, /) -> None:
        """Check the item."""


class Run(Findings):
    """Collects the issues of profiles; each pair of object and profile is judged once."""

    __slots__ = ("_judged", "around", "book", "now", "terminology")

    def __init__(
        self,
        resource: Resource,
        where: Where,
        book: Checks,
        terminology: Terminology,
        beside: Sequence[Resource] = (),
        now: datetime | None = None,
    ) -> None:
        super().__init__(resource)
        self.now = now
        self.around = Surroundings(resource, where, beside)
        self.book = book
        self.terminology = terminology
        self._judged: dict[tuple[int, str], Sequence[Issue]] = {}

    def add(self, severity: Severity, code: str, message_id: str, where: Where, message: str) -> None:
        """Keep an issue; more than a limit are not kept."""
        if len(self.issues) < JUDGED_ISSUES_MAX:
            self.issues.append(Issue(severity, code, message_id, render(where), message))
        else:
            self.is_cut = True

    def information(self, message_id: str, where: Where, message: str) -> None:
        """Keep what could not be checked."""
        self.add("information", "not-supported", message_id, where, message)

    def judge(self, item: Item, canonical: str) -> Sequence[Issue]:
        """Return what is wrong with an object by a profile, whether it counts or is only a trial."""
        is_object = type(item[0]) is dict
        key = (id(item[0]) if is_object else 0, canonical)
        known = self._judged.get(key) if is_object else None
        if known is not None:
            return known
        check = self.book.check_of(canonical)
        if check is None:
            message = f"Not checked: needs the profile {canonical}; install the package that holds it."
            missing = Issue("information", "not-supported", "not-checked", render(item[3]), message)
            return (missing,)
        if is_object:
            self._judged[key] = _NONE
        issues, around = self.issues, (self.resource, self.container)
        self.issues = []
        try:
            self._enter(item[0])
            check(item, self)
            found: Sequence[Issue] = self.issues or _NONE
        finally:
            self.issues = issues
            self.resource, self.container = around
        if is_object:
            self._judged[key] = found
        return found

    def _enter(self, value: Any) -> None:  # Any: a JSON value
        if type(value) is dict and "resourceType" in value:
            place = self.around.place(value)
            self.resource = value
            self.container = place.holder if place is not None else value

    def follow(self, item: Item, canonical: str) -> None:
        """Check an item against a profile; what is found counts."""
        self.issues.extend(self.judge(item, canonical))

    def conforms(self, item: Item, canonical: str) -> bool:
        """Return whether an item follows a profile."""
        return not any(one.severity == "error" for one in self.judge(item, canonical))

    def resolve(self, reference: str) -> Item | None:
        """Return the resource that a reference of the present resource leads to, with its place."""
        found = self.around.resolve(reference, self.resource)
        place = self.around.place(found) if found is not None else None
        if found is None or place is None:
            return None
        return found, None, str(found.get("resourceType")), place.where
