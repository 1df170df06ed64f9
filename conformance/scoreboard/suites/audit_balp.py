"""IHE Basic Audit Log Patterns: examples against R4, and AuditEvents against the profiles they claim.

An example passes when the node's validator finds no error in it and it keeps every rule of its profiles that
`profiles.py` checks. Profiles and terminology are read from the folder and validated like the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conformance.scoreboard.profiles import Element, Profiles
from conformance.scoreboard.suite import Case, Suite
from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.validation.validator import validate

_LIMITS = Limits()


def _recognises(folder: Path) -> bool:
    return "audit" in folder.name and any(folder.rglob("*AuditEvent*.json"))


def _failure(resource: Element, profiles: Profiles) -> str:
    wrong = [issue.message for issue in validate(resource) if issue.severity == "error"]
    for profile in resource.get("meta", {}).get("profile", []):
        if profile in profiles.definitions:
            wrong += profiles.problems(resource, profile)
    return "; ".join(wrong)


def _play(folder: Path) -> Iterator[Case]:
    found: list[tuple[str, Element]] = []
    for path in sorted(folder.rglob("*.json")):
        name = path.relative_to(folder).as_posix()
        try:
            found.append((name, parse_json(path.read_bytes(), _LIMITS)))
        except SalusError as error:
            yield Case(name, f"cannot be read: {error.message}")
    profiles = Profiles([resource for _, resource in found])
    for name, resource in found:
        yield Case(name, _failure(resource, profiles))


SUITE = Suite("audit-balp", _recognises, _play)
