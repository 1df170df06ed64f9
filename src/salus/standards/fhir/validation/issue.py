"""What validation finds, and where (R4, OperationOutcome.issue)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from salus.standards.fhir.fhirpath.environment import Budget, Environment

Severity = Literal["error", "warning", "information"]

ERRORS_MAX = 100
"""After as many errors validation stops."""

WARNINGS_MAX = 50
"""Most warnings kept for one resource, so that they never crowd out an error."""

STEPS_MAX = 5_000_000
"""Most items that the evaluation of all invariants of one validation may visit (some seconds)."""

QUOTED_MAX = 80
"""Most characters of an offending value or key that a message repeats."""

Where = tuple[Any, str, int | None]
"""A place: (place of the parent or None, label, index in the array or None). Any: recursive."""


class Issue(msgspec.Struct, frozen=True):
    """One finding.

    Args:
        severity: an error makes the resource invalid.
        code: http://hl7.org/fhir/issue-type.
        message_id: stable name of the rule, the key of an invariant for invariants ("ext-1").
        expression: FHIRPath to the element, "Patient.name[0].family".
        message: what is wrong and how to mend it; may quote the offending value.
    """

    severity: Severity
    code: str
    message_id: str
    expression: str
    message: str


class EnoughIssues(Exception):
    """So many errors were found that looking further helps nobody; caught by `validate`."""


def render(where: Where) -> str:
    """Return the place as a FHIRPath expression."""
    if where[0] is None:
        return where[1]
    steps = []
    place: Where | None = where
    while place is not None:
        place, label, index = place
        steps.append(label if index is None else f"{label}[{index}]")
    return ".".join(reversed(steps))


def quote(value: object) -> str:
    """Return a value as it may appear in a message: escaped and at most 80 characters."""
    shown = value if isinstance(value, str) else str(value)[: QUOTED_MAX + 1]
    if len(shown) > QUOTED_MAX:
        shown = shown[:QUOTED_MAX] + "…"
    return ascii(shown) if not shown.isprintable() else f"'{shown}'"


class Findings:
    """Collects the issues of one validation, and knows which resource is being looked at.

    Attributes:
        resource: `%resource`, the innermost resource.
        container: `%rootResource`, the resource that contains it, or the resource itself.
        entries: resource type by fullUrl, of the Bundle around, if any.
        issues: what was found so far: every error, and warnings up to their limit.
        errors: number of errors among them.
        is_cut: whether something was left out.
        undecided_fails: whether a rule whose answer is empty counts as broken. R4 asks that it be true; two
            dates of other precision, of which neither is surely earlier, are no reason to refuse a record.
        budget: what the evaluation of rules may still visit.
        supplied: what the last expression could ask of the resource that was being looked at.
    """

    __slots__ = (
        "_contained",
        "_contained_of",
        "_ids",
        "budget",
        "container",
        "entries",
        "errors",
        "is_cut",
        "issues",
        "resource",
        "supplied",
        "undecided_fails",
    )

    def __init__(self, resource: dict[str, Any]) -> None:  # Any: FHIR JSON
        self.resource = resource
        self.container = resource
        self.entries: dict[str, str] = {}
        self.issues: list[Issue] = []
        self.errors = 0
        self.is_cut = False
        self._ids: set[tuple[int, str]] = set()
        self._contained: dict[str, str] = {}
        self._contained_of: dict[str, Any] | None = None
        self.supplied: Environment | None = None
        self.undecided_fails = False
        self.budget = Budget(STEPS_MAX)

    def add(self, severity: Severity, code: str, message_id: str, where: Where, message: str) -> None:
        """Keep an issue, a warning only up to the limit.

        Raises:
            EnoughIssues: as many errors as the limit were found.
        """
        if severity == "error":
            self.errors += 1
        elif len(self.issues) - self.errors >= WARNINGS_MAX:
            self.is_cut = True
            return
        self.issues.append(Issue(severity, code, message_id, render(where), message))
        if self.errors >= ERRORS_MAX:
            raise EnoughIssues

    def error(self, code: str, message_id: str, where: Where, message: str) -> None:
        """Keep an error."""
        self.add("error", code, message_id, where, message)

    def environment(self) -> Environment:
        """Return what an expression may ask of the resource that is being looked at."""
        known = self.supplied
        if known is None or known.resource is not self.resource or known.root is not self.container:
            known = Environment(resource=self.resource, root=self.container, budget=self.budget)
            self.supplied = known
        return known

    def not_evaluated(self, key: str, where: Where, reason: str) -> None:
        """Report a rule that could not be evaluated: a warning; an error once there is no budget for any."""
        if self.budget.left < 0:
            message = f"The rules take too long to evaluate here (rule {key} and others); split the resource."
            self.add("error", "too-costly", "too-costly", where, message)
        else:
            self.add("warning", "processing", f"{key}-not-evaluated", where, f"Rule {key}: {reason}.")

    def is_taken(self, element_id: str) -> bool:
        """Note an element's id; return whether another element of the innermost resource has it."""
        key = (id(self.resource), element_id)
        if key in self._ids:
            return True
        self._ids.add(key)
        return False

    def contained_types(self) -> dict[str, str]:
        """Return the resource types of the container's contained resources by id."""
        if self._contained_of is not self.container:
            contained = self.container.get("contained")
            self._contained = {
                item["id"]: str(item.get("resourceType"))
                for item in (contained if isinstance(contained, list) else ())
                if isinstance(item, dict) and isinstance(item.get("id"), str)
            }
            self._contained_of = self.container
        return self._contained
