"""Which resource belongs to which section of a patient summary (IPS 2.0.1, EPS 1.0.0).

Entries in error and refuted ones are left out; of repeated measurements the latest few are taken and the
rest is counted, so that the reader is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from salus.primary.references import local_reference

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
LATEST_OF_A_CODE = 3
PAST = frozenset({"inactive", "remission", "resolved"})
PREGNANCY_CODES = frozenset({"82810-3", "11778-8", "11779-6", "11780-4", "49051-6", "49052-4", "11636-8"})
PREGNANCY_CODES |= frozenset({"11637-6", "11638-4", "11639-2", "11640-0", "11612-9", "11613-7", "11614-5"})
NOT_ORDERED = frozenset({"proposal", "plan", "option"})
WRONG = frozenset({"entered-in-error", "refuted", "not-done", "cancelled", "declined"})


class Selected(msgspec.Struct, frozen=True):
    """The resources of one section, newest first, and how many older ones were left out.

    `orders`: by id of a MedicationStatement, the newest order for which its line stands as well.
    """

    resources: tuple[Resource, ...]
    left_out: int = 0
    orders: Mapping[str, Resource] = {}


def select(resources: Iterable[Resource]) -> dict[str, Selected]:
    """Return the resources of each section, keyed as in sections.toml; empty sections are absent."""
    found: dict[str, list[Resource]] = defaultdict(list)
    for resource in resources:
        section = section_of(resource)
        if section:
            found[section].append(resource)
    ordered = {name: sorted(held, key=_newest_first, reverse=True) for name, held in found.items()}
    return {name: _NARROWED.get(name, _all)(held) for name, held in ordered.items()}


def section_of(resource: Resource) -> str:
    """Return the section's short name, "" for a resource that no section shows."""
    if _status(resource.get("verificationStatus")) in WRONG or resource.get("status") in WRONG:
        return ""
    rule = _RULES.get(str(resource.get("resourceType")))
    return rule(resource) if rule else ""


def _each_medicine_once(held: list[Resource]) -> Selected:
    """Return the medicines; an order that a statement, or a newer order, already speaks for is no line.

    A MedicationStatement says what is taken and on which order (basedOn, derivedFrom); without such a link,
    the same code and the same dosage, or none on one side, is the same medicine. Two that differ in dosage
    stay two lines: the reader must see the contradiction.
    """
    statements = [each for each in held if each.get("resourceType") == "MedicationStatement"]
    kept, orders = list(statements), dict[str, Resource]()
    for order in held:
        if order.get("resourceType") == "MedicationStatement":
            continue
        link = f"MedicationRequest/{order.get('id')}"
        spoken = next((each for each in statements if link in orders_of(each)), None)
        spoken = spoken or next((each for each in kept if _same_medicine(order, each)), None)
        if spoken is None:
            kept.append(order)
        elif spoken.get("resourceType") == "MedicationStatement":
            orders.setdefault(str(spoken.get("id")), order)
    return Selected(tuple(sorted(kept, key=_newest_first, reverse=True)), 0, orders)


def orders_of(statement: Resource) -> list[str]:
    """Return the orders ("MedicationRequest/id") that a MedicationStatement says it follows."""
    if statement.get("resourceType") != "MedicationStatement":
        return []
    named = [*statement.get("basedOn", ()), *statement.get("derivedFrom", ())]
    links = [local_reference(str(each.get("reference", ""))) for each in named]
    return [link for link in links if link.startswith("MedicationRequest/")]


def _same_medicine(one: Resource, other: Resource) -> bool:
    if not _products(one) & _products(other) or one.get("status") != other.get("status"):
        return False
    taken, asked = _dosages(one), _dosages(other)
    return taken == asked or not (taken and asked)


def _products(resource: Resource) -> set[str]:
    """Return the product's codes as "system|code", or the reference to it."""
    codings = resource.get("medicationCodeableConcept", {}).get("coding", ())
    found = {f"{each.get('system')}|{each['code']}" for each in codings if each.get("code")}
    link = resource.get("medicationReference", {}).get("reference")
    return found | ({local_reference(str(link))} if link else set())


def _dosages(resource: Resource) -> list[str]:
    listed = resource.get("dosage") or resource.get("dosageInstruction") or ()
    return [str(each.get("text") or sorted(each.items(), key=str)) for each in listed]


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


def _all(held: list[Resource]) -> Selected:
    return Selected(tuple(held))


_NARROWED = {
    "medications": _each_medicine_once,
    "results": _latest,
    "vital-signs": _latest,
    "social-history": _latest,
}


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
