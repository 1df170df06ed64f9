"""One validation under way: what was found, what was looked at already, and what lies around."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from salus.standards.fhir.profiles.items import Item, kind_of
from salus.standards.fhir.profiles.names import Names
from salus.standards.fhir.profiles.policy import LENIENT, Policy
from salus.standards.fhir.profiles.surroundings import Resource, Surroundings
from salus.standards.fhir.profiles.telling import Pairs, Telling, pairs_in
from salus.standards.fhir.profiles.terminology import Terminology
from salus.standards.fhir.validation.issue import Findings, Issue, Severity, Where, render

JUDGED_ISSUES_MAX = 300
"""Most warnings and notes kept of one judgement; as many again of errors, so that nothing hides them."""

_NONE: tuple[Issue, ...] = ()


class Checks(Protocol):
    """Where compiled profiles come from, and what concepts are called; `same` is what `same_as` answered."""

    names: Names
    same: dict[str, str]

    def check_of(self, canonical: str) -> Check | None:
        """Return the check of a profile, None where it is not at hand."""

    def type_of(self, canonical: str) -> str:
        """Return the type that a profile constrains, "" where it is not at hand."""

    def is_idle(self, canonical: str) -> bool:
        """Return whether a profile is at hand and has nothing to check beyond the base type."""

    def same_as(self, canonical: str) -> str:
        """Return the profile that says all that a profile says."""

    def bases_of(self, canonical: str) -> tuple[str, ...]:
        """Return the profiles from which a profile is derived, as far as they are at hand."""

    def telling_of(self, canonical: str) -> Telling:
        """Return which codes a profile requires of its resources."""


class Check(Protocol):
    """Looks at an item and tells a run what is wrong."""

    def __call__(self, item: Item, run: Run, /) -> None:
        """Check the item."""


class _Failed(Exception):
    """The first error of a trial; caught by `Run.conforms`."""


class Run(Findings):
    """Collects the issues of profiles; each pair of object and profile is judged once.

    A trial (`conforms`) ends at the first error; all that is wrong is worked out when it counts. A trial
    without
    one is a whole judgement.
    """

    __slots__ = (
        "_covered",
        "_failed",
        "_is_trial",
        "_judged",
        "_pairs",
        "_resolved",
        "around",
        "book",
        "language",
        "links",
        "now",
        "policy",
        "shapes",
        "terminology",
    )

    def __init__(
        self,
        resource: Resource,
        where: Where,
        book: Checks,
        terminology: Terminology,
        beside: Sequence[Resource] = (),
        now: datetime | None = None,
        policy: Policy = LENIENT,
    ) -> None:
        super().__init__(resource)
        self.undecided_fails = True
        self.now = now
        self.policy = policy
        self.language = resource.get("language")
        self.links: dict[int, set[int]] = {}
        self.around = Surroundings(resource, where, beside)
        self.book = book
        self.terminology = terminology
        self._judged: dict[tuple[int, str], Sequence[Issue]] = {}
        self._failed: set[tuple[int, str]] = set()
        self._covered: set[tuple[int, str]] = set()
        self._resolved: dict[str, Item | None] = {}
        self._pairs: dict[tuple[int, str], Pairs] = {}
        self.shapes: dict[int, int] = {}
        self._is_trial = False

    def add(self, severity: Severity, code: str, message_id: str, where: Where, message: str) -> None:
        """Keep an issue; more than a limit are not kept.

        Raises:
            _Failed: it is an error in a trial.
        """
        if self._is_trial and severity == "error":
            raise _Failed
        if self._has_room(severity):
            self.issues.append(Issue(severity, code, message_id, render(where), message))

    def _has_room(self, severity: Severity) -> bool:
        """Return whether one more issue is kept; note it if not."""
        most = JUDGED_ISSUES_MAX * 2 if severity == "error" else JUDGED_ISSUES_MAX
        has_room = len(self.issues) < most
        self.is_cut = self.is_cut or not has_room
        return has_room

    def information(self, message_id: str, where: Where, message: str) -> None:
        """Keep what could not be checked."""
        self.add("information", "not-supported", message_id, where, message)

    def judge(self, item: Item, canonical: str) -> Sequence[Issue]:
        """Return all that is wrong with an object by a profile."""
        canonical = self.book.same.get(canonical) or self.book.same_as(canonical)
        key = (id(item[0]), canonical)
        known = self._judged.get(key)
        if known is not None:
            return known
        if key in self._covered:
            return _NONE
        check = self.book.check_of(canonical)
        if check is None:
            message = f"Not checked: needs the profile {canonical}; install the package that holds it."
            return (Issue("information", "not-supported", "not-checked", render(item[3]), message),)
        return self._run(check, item, key, is_trial=False)

    def _run(self, check: Check, item: Item, key: tuple[int, str], *, is_trial: bool) -> Sequence[Issue]:
        """Check an item, apart from what is under way; remember what is found of objects.

        Raises:
            _Failed: there is an error, in a trial.
        """
        value = item[0]
        is_object = type(value) is dict
        outer = self.issues, self._is_trial, self.resource, self.container
        self.issues, self._is_trial = [], is_trial
        if is_object:
            self._judged[key] = _NONE
            if "resourceType" in value:
                place = self.around.place(value)
                self.resource = value
                self.container = place.holder if place is not None else value
        try:
            check(item, self)
            found: Sequence[Issue] = self.issues or _NONE
        except _Failed:
            self._judged.pop(key, None)
            raise
        finally:
            self.issues, self._is_trial, self.resource, self.container = outer
        if is_object:
            self._judged[key] = found
        return found

    def cover(self, item: Item, canonical: str) -> None:
        """Judge an object by a profile; if it follows it, it follows those from which that is derived."""
        found = self.judge(item, canonical)
        if not any(one.severity == "error" for one in found):
            self._covered.update((id(item[0]), one) for one in self.book.bases_of(canonical))

    def follow(self, item: Item, canonical: str) -> None:
        """Check an item against a profile; what is found counts.

        Raises:
            _Failed: there is an error, in a trial.
        """
        if self._is_trial and not self.conforms(item, canonical):
            raise _Failed
        found = self.judge(item, canonical)
        for one in found:
            if self._has_room(one.severity):
                self.issues.append(one)

    def conforms(self, item: Item, canonical: str) -> bool:
        """Return whether an item follows a profile; one that is not at hand counts as followed."""
        canonical = self.book.same.get(canonical) or self.book.same_as(canonical)
        key = (id(item[0]), canonical)
        judged = self._judged.get(key)
        if judged is not None:
            return not judged or not any(one.severity == "error" for one in judged)
        if key in self._covered:
            return True
        if key in self._failed:
            return False
        check = self.book.check_of(canonical)
        if check is None:
            return True
        value = item[0]
        is_resource = type(value) is dict and "resourceType" in value
        if is_resource and self.has_other_code(value, self.book.telling_of(canonical)):
            self._failed.add(key)
            return False
        try:
            self._run(check, item, key, is_trial=True)
        except _Failed:
            if type(item[0]) is dict:
                self._failed.add(key)
            return False
        return True

    def pairs_of(self, resource: Resource, element: str) -> Pairs:
        """Return the codes that an element of a resource holds."""
        key = id(resource), element
        found = self._pairs.get(key)
        if found is None:
            found = self._pairs[key] = pairs_in(resource, element)
        return found

    def has_other_code(self, resource: Resource, told: Telling) -> bool:
        """Return whether the codes of a resource say at once that it does not follow what they tell of."""
        pairs = self._pairs
        for element, wanted in told:
            key = id(resource), element
            found = pairs.get(key)
            if found is None:
                found = pairs[key] = pairs_in(resource, element)
            if found and wanted.isdisjoint(found):
                return True
        return False

    def resolve(self, reference: str) -> Item | None:
        """Return the resource that a reference of the present resource leads to, with its place."""
        if ":" not in reference:
            return self._resolve(reference)
        try:
            return self._resolved[reference]
        except KeyError:
            found = self._resolved[reference] = self._resolve(reference)
            return found

    def _resolve(self, reference: str) -> Item | None:
        found = self.around.resolve(reference, self.resource)
        place = self.around.place(found) if found is not None else None
        if found is None or place is None:
            return None
        return found, None, kind_of(found), place.where
