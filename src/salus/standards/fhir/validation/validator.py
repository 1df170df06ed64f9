"""Validation of a resource against FHIR R4 itself: the door of this package."""

from __future__ import annotations

from functools import cache
from typing import Any

from salus.standards.fhir.validation.aspects import ALL, Aspect
from salus.standards.fhir.validation.issue import EnoughIssues, Findings, Issue, Where
from salus.standards.fhir.validation.structure import compile_resource
from salus.standards.fhir.validation.values import Check

__all__ = ["ALL", "Aspect", "Issue", "validate"]


def validate(
    resource: dict[str, Any],  # Any: FHIR JSON
    *,
    checks: Aspect = ALL,
    undecided_fails: bool = False,
) -> list[Issue]:
    """Return what is wrong with a resource; [] if nothing is.

    A Bundle's entries are validated too. At most `ERRORS_MAX` errors and `WARNINGS_MAX` warnings are
    returned; if something was left out, one more issue says so. Nothing is raised, whatever the JSON is.

    Args:
        resource: JSON as `codec.json.parse_json` or `codec.xml.parse_xml` returns it.
        checks: groups of rules to apply; structure and primitive forms always are.
        undecided_fails: as in `Findings`.
    """
    if type(resource) is not dict:
        message = "A FHIR resource is a JSON object with a resourceType; send one."
        return [Issue("error", "structure", "wrong-type", "", message)]
    name = resource.get("resourceType")
    where: Where = (
        None,
        name if type(name) is str and name.isidentifier() and len(name) < 64 else "Resource",
        None,
    )
    run = Findings(resource)
    run.undecided_fails = undecided_fails
    if name == "Bundle":
        run.entries = _entry_types(resource)
    try:
        (_full_check() if checks is ALL else compile_resource(checks))(resource, where, run)
    except EnoughIssues:
        run.is_cut = True
    except RecursionError:
        message = "The resource is nested too deeply; flatten it."
        run.issues.append(Issue("error", "too-long", "too-deep", where[1], message))
    if run.is_cut:
        run.issues.append(more_issues(where[1]))
    return run.issues


def more_issues(expression: str) -> Issue:
    """Return what tells that some issues were left out."""
    message = "There are more issues than are listed; mend these first."
    return Issue("information", "informational", "more-issues", expression, message)


@cache
def _full_check() -> Check:
    """Return the check with every aspect, without hashing a flag on each call."""
    return compile_resource(ALL)


def is_valid(issues: list[Issue]) -> bool:
    """Return whether there is no error among the issues."""
    return not any(issue.severity == "error" for issue in issues)


def _entry_types(bundle: dict[str, Any]) -> dict[str, str]:  # Any: FHIR JSON
    """Return the resource type of each entry by its fullUrl."""
    entries = bundle.get("entry")
    types = {}
    for entry in entries if type(entries) is list else ():
        if type(entry) is dict and type(url := entry.get("fullUrl")) is str:
            resource = entry.get("resource")
            if type(resource) is dict and type(name := resource.get("resourceType")) is str:
                types[url] = name
    return types
