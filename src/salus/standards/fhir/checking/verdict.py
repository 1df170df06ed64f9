"""One file, judged: category, profiles, issues with their lines, and how long it took."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from salus.core.limits import Limits
from salus.standards.fhir.checking.given import Given
from salus.standards.fhir.codec.lines import Place, lines_of
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.categories import Detected, detect
from salus.standards.fhir.profiles.must_support import Support, supports
from salus.standards.fhir.profiles.outcome import outcome_of
from salus.standards.fhir.profiles.validator import check_resource
from salus.standards.fhir.validation.issue import Issue, quote

_RANK = {"error": 0, "warning": 1, "information": 2}


class Verdict(msgspec.Struct, frozen=True):
    """What a check says of a file.

    Args:
        category: priority category, "" for none.
        profiles: canonicals that the file was judged by, as far as the file as a whole is concerned.
        issues: errors first.
        places: where their expressions stand in the resource's text; empty where it could not be read.
        bytes, sha256: length and SHA-256 (hexadecimal) of what was judged.
        support: which elements that must be supported are there, where that is asked for.
    """

    file: str
    category: str
    profiles: tuple[str, ...]
    milliseconds: float
    issues: tuple[Issue, ...]
    is_readable: bool
    places: Mapping[str, Place] = {}
    line: int = 1
    bytes: int = 0
    sha256: str = ""
    support: tuple[Support, ...] = ()

    def count(self, severity: str) -> int:
        """Return how many issues are of a severity."""
        return sum(one.severity == severity for one in self.issues)

    def place(self, issue: Issue) -> tuple[int, int]:
        """Return line and column of an issue in its file; column 0 for unknown."""
        line, column = self.places.get(issue.expression, (1, 0))
        return self.line - 1 + line, column

    def outcome(self) -> dict[str, Any]:  # Any: FHIR JSON
        """Return the issues as an OperationOutcome."""
        return outcome_of(self.issues, self.place)


def judge(
    given: Given,
    book: Book,
    wanted: Sequence[str],
    limits: Limits,
    *,
    timer: Callable[[], float],
    with_support: bool = False,
) -> Verdict:
    """Return the verdict on a resource.

    Args:
        given: what was read.
        book: the profiles at hand.
        wanted: profiles named by the caller, in place of those detected.
        limits: for the second reading that finds the lines.
        timer: seconds of a clock that only goes forward.
        with_support: whether to say which elements that must be supported are there.
    """
    size, digest = len(given.body), hashlib.sha256(given.body).hexdigest()
    if given.resource is None:
        fault = Issue("error", "structure", "unreadable", "", given.fault)
        line = given.line + given.fault_line - 1
        return Verdict(
            given.file, "", (), 0.0, (fault,), is_readable=False, line=line, bytes=size, sha256=digest
        )
    started = timer()
    detected = detect(given.resource)
    if wanted:
        detected = Detected(detected.category, tuple(wanted))
    issues = [
        *_absent(wanted, book),
        *check_resource(given.resource, book, detected.profiles, detected.inner),
    ]
    milliseconds = (timer() - started) * 1000
    return Verdict(
        file=given.file,
        category=detected.category,
        profiles=detected.profiles or tuple(sorted(set(detected.inner.values()))),
        milliseconds=round(milliseconds, 2),
        issues=tuple(sorted(issues, key=lambda one: _RANK[one.severity])),
        is_readable=True,
        places=_places(issues, given.body, limits),
        line=given.line,
        bytes=size,
        sha256=digest,
        support=tuple(supports(given.resource, book, detected.profiles)) if with_support else (),
    )


def _places(issues: Sequence[Issue], body: bytes, limits: Limits) -> dict[str, Place]:
    if not issues:
        return {}
    lines = lines_of(body, limits)
    return {one.expression: lines.place(one.expression) for one in issues}


def _absent(wanted: Sequence[str], book: Book) -> list[Issue]:
    """Return an error for each profile that the caller named and that is not at hand."""
    return [
        Issue(
            "error",
            "not-found",
            "profile-unknown",
            "",
            f"The profile {quote(one)} is not at hand: correct its address, or install its package.",
        )
        for one in wanted
        if not book.type_of(one)
    ]
