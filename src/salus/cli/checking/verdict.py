"""One file, judged: category, profiles, issues with their lines, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from salus.cli.checking.reading import Read
from salus.core.limits import Limits
from salus.standards.fhir.codec.lines import Lines, lines_of
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.categories import Detected, detect
from salus.standards.fhir.profiles.must_support import Support, supports
from salus.standards.fhir.profiles.outcome import outcome_of
from salus.standards.fhir.profiles.validator import check_resource
from salus.standards.fhir.validation.issue import Issue

_RANK = {"error": 0, "warning": 1, "information": 2}


class Verdict(msgspec.Struct, frozen=True):
    """What a check says of a file.

    Args:
        category: priority category, "" for none.
        profiles: canonicals that the file was judged by, as far as the file as a whole is concerned.
        issues: errors first.
        lines: where they stand, None where the text could not be read.
        support: which elements that must be supported are there, where that is asked for.
    """

    file: str
    category: str
    profiles: tuple[str, ...]
    milliseconds: float
    issues: tuple[Issue, ...]
    is_readable: bool
    lines: Lines | None = None
    line: int = 1
    support: tuple[Support, ...] = ()

    def count(self, severity: str) -> int:
        """Return how many issues are of a severity."""
        return sum(one.severity == severity for one in self.issues)

    def place(self, issue: Issue) -> int:
        """Return the line of an issue in its file."""
        return self.line - 1 + (self.lines.line(issue.expression) if self.lines is not None else 1)

    def outcome(self) -> dict[str, Any]:  # Any: FHIR JSON
        """Return the issues as an OperationOutcome."""
        return outcome_of(self.issues, self.lines)


def judge(
    given: Read, book: Book, wanted: Sequence[str], limits: Limits, *, with_support: bool = False
) -> Verdict:
    """Return the verdict on a resource; `wanted` are profiles named by the caller, in place of those
    detected.
    """
    if given.resource is None:
        fault = Issue("error", "structure", "unreadable", "", given.fault)
        return Verdict(given.file, "", (), 0.0, (fault,), is_readable=False, line=given.line)
    started = time.perf_counter()
    detected = detect(given.resource)
    if wanted:
        detected = Detected(detected.category, tuple(wanted))
    issues = check_resource(given.resource, book, detected.profiles, detected.inner)
    milliseconds = (time.perf_counter() - started) * 1000
    return Verdict(
        file=given.file,
        category=detected.category,
        profiles=detected.profiles or tuple(sorted(set(detected.inner.values()))),
        milliseconds=round(milliseconds, 2),
        issues=tuple(sorted(issues, key=lambda one: _RANK[one.severity])),
        is_readable=True,
        lines=lines_of(given.body, limits) if issues else None,
        line=given.line,
        support=tuple(supports(given.resource, book, detected.profiles)) if with_support else (),
    )
