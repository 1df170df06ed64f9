"""Which resource belongs to which section of a patient summary (IPS 2.0.1, EPS 1.0.0).

Entries in error and refuted ones are left out; of repeated measurements the latest few are taken and the
rest is counted, so that the reader is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
LATEST_OF_A_CODE = 3
PAST = frozenset({"inactive", "remission", "resolved"})
PREGNANCY_CODES = frozenset({"82810-3", "11778-8", "11779-6", "11780-4", "49051-6", "49052-4", "11636-8"})
PREGNANCY_CODES |= frozenset({"11637-6", "11638-4", "11639-2", "11640-0", "11612-9", "11613-7", "11614-5"})
NOT_ORDERED = frozenset({"proposal", "plan", "option"})
WRONG = frozenset({"entered-in-error", "refuted", "not-done", "cancelled", "declined"})


class Selected(msgspec.Struct, frozen=True):
    """The resources of one section, newest first, and how many older ones were left out."""

    resources: tuple[Resource, ...]
    left_out: int = 0


def select(resources: Iterable[Resource]) -> dict[str, Selected]:
    """Return the resources of each section, keyed as in sections.toml; empty sections are absent."""
    found: dict[str, list[Resource]] = defaultdict(list)
    for resource in resources:
        section = section_of(resource)
        if section:
            found[section].append(resource)
    ordered = {name: sorted(held, key=_newest_first, reverse=True) for name, held in found.items()}
    return {
        name: _latest(held) if name in {"results", "vital-signs", "social-history"} else Selected(tuple(held))
        for name, held in ordered.items()
    }


def section_of(resource: Resource) -> str:
    """Return the section's short name, "" for a resource that no section shows."""
    if _status(resource.get("verificationStatus")) in WRONG or resource.get("status") in WRONG:
        return ""
    rule = _RULES.get(str(resource.get("resourceType")))
    return rule(resource) if rule else ""


def clinical_date(resource: Resource) -> str:
    """Return the date that a reader looks for first, as written, "" when there is none."""
    for name in _DATES:
        found = resource.get(name)
        if isinstance(found, dict):
            found = found.get("start") or found.get("end")
        if found:
            return str(found)
    return ""


_DATES = (
    "effectiveDateTime", "effectivePeriod", "occurrenceDateTime", "performedDateTime", "performedPeriod",
    "onsetDateTime", "onsetPeriod", "authoredOn", "timingDateTime", "timingPeriod", "period", "issued",
    "recordedDate", "recordedOn", "dateAsserted", "dateTime",
)  # fmt: skip


def _newest_first(resource: Resource) -> tuple[str, str]:
    return clinical_date(resource), str(resource.get("id", ""))


def _latest(held: list[Resource]) -> Selected:
    seen: dict[str, int] = defaultdict(int)
    kept = []
    for resource in held:
        code = _code_key(resource)
        seen[code] += 1
        if seen[code] <= LATEST_OF_A_CODE:
            kept.append(resource)
    return Selected(tuple(kept), len(held) - len(kept))


def _code_key(resource: Resource) -> str:
    concept = resource.get("code", {})
    codings = concept.get("coding") or [{}]
    return (
        f"{codings[0].get('system')}|{codings[0].get('code')}|{concept.get('text') if not codings[0] else ''}"
    )


def _status(concept: Resource | None) -> str:
    codings = (concept or {}).get("coding") or [{}]
    return str(codings[0].get("code", ""))


def _codes(concepts: object) -> set[str]:
    listed: list[Any] = concepts if isinstance(concepts, list) else [concepts or {}]  # CodeableConcepts
    return {str(coding.get("code")) for concept in listed for coding in concept.get("coding", ())}


def _condition(resource: Resource) -> str:
    return "past-problems" if _status(resource.get("clinicalStatus")) in PAST else "problems"


def _medication(resource: Resource) -> str:
    if resource.get("doNotPerform") is True or resource.get("intent", "order") in NOT_ORDERED:
        return ""
    return "medications" if resource.get("status") in {"active", "on-hold", "intended"} else ""


def _observation(resource: Resource) -> str:
    if resource.get("status") not in {"final", "amended", "corrected", "preliminary"}:
        return ""
    if _codes(resource.get("code")) & PREGNANCY_CODES:
        return "pregnancy"
    categories = _codes(resource.get("category"))
    known = {"vital-signs": "vital-signs", "social-history": "social-history", "laboratory": "results"}
    known["imaging"] = "results"
    return next((known[code] for code in known if code in categories), "")


def _consent(resource: Resource) -> str:
    directive = {"acd", "42348-3", "75320-2"}
    active = resource.get("status") == "active"
    return "advance-directives" if active and _codes(resource.get("category")) & directive else ""


_RULES = {
    "Condition": _condition,
    "AllergyIntolerance": lambda _: "allergies",
    "MedicationStatement": _medication,
    "MedicationRequest": _medication,
    "Immunization": lambda _: "immunizations",
    "Procedure": lambda _: "procedures",
    "DeviceUseStatement": lambda _: "devices",
    "Observation": _observation,
    "DiagnosticReport": lambda resource: "results" if resource.get("status") != "registered" else "",
    "CarePlan": lambda resource: "plan" if resource.get("status") in {"active", "on-hold"} else "",
    "Flag": lambda resource: "alerts" if resource.get("status") == "active" else "",
    "Consent": _consent,
}
