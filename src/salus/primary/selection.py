"""Which resource belongs to which section of a patient summary (IPS 2.0.1, EPS 1.0.0).

What a section cannot take is counted by type, so that the reader is told that it exists; so are the older of
repeated measurements. Neither shown nor counted are what was entered in error, which never was so, and a
Consent that is no directive: whom a citizen permits or denies to look is not told to those who look (EHDS 8).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from typing import Any

import msgspec

from salus.core.identifiers import derived_id
from salus.primary.dates import clinical_moment
from salus.primary.details import NO_RESUSCITATION
from salus.primary.focus import focus_key, is_about_another
from salus.primary.medicines import merge_same, orders_of
from salus.primary.references import local_reference
from salus.primary.values import ABSENT
from salus.standards.fhir.model import compartments

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
LATEST_OF_A_CODE = 3
PAST = frozenset({"inactive", "remission", "resolved"})
ERROR = "entered-in-error"
RISK = {"high": 0, "unable-to-assess": 1, "": 1, "low": 2}
"""R4 AllergyIntolerance.criticality, the most dangerous first."""
SEVERITY = {"severe": 0, "": 1, "moderate": 2, "mild": 3}
"""R4 AllergyIntolerance.reaction.severity, likewise."""
PREGNANCY_CODES = frozenset({"82810-3", "11778-8", "11779-6", "11780-4", "49051-6", "49052-4", "11636-8"})
PREGNANCY_CODES |= frozenset({"11637-6", "11638-4", "11639-2", "11640-0", "11612-9", "11613-7", "11614-5"})
SMOKING_CODES = frozenset({"72166-2"})
VITAL_CODES = frozenset({"85354-9", "8480-6", "8462-4", "8867-4", "8310-5", "9279-1", "29463-7", "8302-2"})
VITAL_CODES |= frozenset({"39156-5", "2708-6", "59408-5"})
DIRECTIVES = frozenset({"acd", "dnr", "emrgonly", "hcd", "polst", "adr"})
"""HL7 consentcategorycodes and consentscope of what a person wants or refuses in care."""
DIRECTIVES |= frozenset({"42348-3", "75320-2", "45473-6", "81334-5", "86533-7", "64298-3"}) | NO_RESUSCITATION
NONE_KNOWN = frozenset({"716186003", "409137002", "428607008", "429625007", "160245001", "787481004"})
NONE_KNOWN |= frozenset({"no-known-allergies", "no-allergy-info", "no-known-problems", "no-problem-info"})
NONE_KNOWN |= frozenset({"no-known-medications", "no-medication-info", "no-known-devices", "no-device-info"})
NONE_KNOWN |= frozenset({"no-known-procedures", "no-procedure-info"})
NONE_KNOWN |= frozenset({"no-known-immunizations", "no-immunization-info"})
"""SNOMED CT and IPS codes by which a record says that nothing is known."""
SURVEYED = frozenset({"survey", "activity"})
NOT_ORDERED = frozenset({"proposal", "plan", "option"})
NO_ENTRY = frozenset({"Patient", "Person", "Group", "Schedule", "Provenance", "AuditEvent"})
"""Types of a patient's compartment that are no entries of the record: whom it is about, what keeps track."""


class Selected(msgspec.Struct, frozen=True):
    """The resources of one section, newest first, and how many older ones were left out.

    `orders`: by id of a medicine, the orders for which its line stands as well, newest first.
    `doubted`: ids of entries that say "none known" beside others that say otherwise; they come last.
    """

    resources: tuple[Resource, ...]
    left_out: int = 0
    orders: Mapping[str, tuple[Resource, ...]] = {}
    doubted: frozenset[str] = frozenset()


class Selection(msgspec.Struct, frozen=True):
    """A record in sections, keyed as in sections.toml without the empty ones, and by type what none shows."""

    sections: dict[str, Selected]
    not_shown: dict[str, int]


def select(resources: Iterable[Resource]) -> Selection:
    """Return a person's record as its sections show it, and how many entries of each type none of them shows.

    Args:
        resources: of the record, and what they refer to.
    """
    held = list(resources)
    used = {_device_of(each) for each in held if section_of(each) == "devices"}
    found: dict[str, list[Resource]] = defaultdict(list)
    not_shown: Counter[str] = Counter()
    prescribed = {
        f"MedicationRequest/{each['id']}"
        for each in held
        if each.get("resourceType") == "MedicationRequest" and section_of(each) == "medications"
    }
    for resource in held:
        section = section_of(resource) or _beside_order(resource, prescribed)
        if f"{resource.get('resourceType')}/{resource.get('id')}" in used:
            continue  # the statement of its use tells it
        if section:
            found[section].append(use_of(resource) if resource["resourceType"] == "Device" else resource)
        elif is_entry(resource) and not is_error(resource) and not is_permission(resource):
            not_shown[str(resource["resourceType"])] += 1
    ordered = {name: sorted(held, key=_newest_first, reverse=True) for name, held in found.items()}
    sections = {name: _NARROWED.get(name, _all)(held) for name, held in ordered.items()}
    return Selection(sections, dict(sorted(not_shown.items())))


def section_of(resource: Resource) -> str:
    """Return the section's short name, "" for a resource that no section shows."""
    if is_error(resource) or "refuted" in _codes(resource.get("verificationStatus")):
        return ""
    rule = _RULES.get(str(resource.get("resourceType")))
    return rule(resource) if rule else ""


def _beside_order(resource: Resource, prescribed: Set[str]) -> str:
    """Return the medicines' section for a statement that a shown order is no longer followed."""
    ended = _status(resource) in {"stopped", "completed"}
    return "medications" if ended and not prescribed.isdisjoint(orders_of(resource)) else ""


def is_error(resource: Resource) -> bool:
    """Return whether it was entered in error."""
    return _status(resource) == ERROR or ERROR in _codes(resource.get("verificationStatus"))


def says_none(resource: Resource) -> bool:
    """Return whether the entry says that nothing is known, such as "no known allergy"."""
    codes = _codes(resource.get("code")) | _codes(resource.get("medicationCodeableConcept"))
    return bool(codes & NONE_KNOWN)


def is_permission(resource: Resource) -> bool:
    """Return whether it is a Consent of who may look, and none of what the person wants in care."""
    kinds = _codes(resource.get("category")) | _codes(resource.get("scope"))
    return resource.get("resourceType") == "Consent" and not kinds & DIRECTIVES


def use_of(device: Resource) -> Resource:
    """Return the statement that a patient's device is in use, the only form in which a summary lists one.

    Since when is not known and said so (IPS DeviceUseStatement.timing).
    """
    unknown = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    return {
        "resourceType": "DeviceUseStatement",
        "id": derived_id("urn:salus:device-use", str(device["id"])),
        "status": "active",
        "subject": device["patient"],
        "_timingDateTime": unknown,
        "device": {"reference": f"Device/{device['id']}"},
    }


def is_entry(resource: Resource) -> bool:
    """Return whether it is an entry of a patient's record, and not what entries only refer to."""
    kind = str(resource.get("resourceType"))
    if kind == "Device":
        return bool(resource.get("patient"))
    return kind in compartments()["Patient"] and kind not in NO_ENTRY


def _device_of(statement: Resource) -> str:
    device = statement.get("device")
    return local_reference(str(device.get("reference", ""))) if isinstance(device, dict) else ""


def _each_medicine_once(held: list[Resource]) -> Selected:
    kept, orders = merge_same(held)
    return msgspec.structs.replace(_none_last(kept), orders=orders)


def _none_last(held: list[Resource]) -> Selected:
    """Return the entries with those that say "none known" last; beside others they are doubted."""
    none = [each for each in held if says_none(each)]
    others = [each for each in held if not says_none(each)]
    doubted = frozenset(str(each.get("id")) for each in none) if others else frozenset()
    return Selected((*others, *none), doubted=doubted)


def _newest_first(resource: Resource) -> tuple[float, str]:
    return clinical_moment(resource), str(resource.get("id", ""))


def _most_dangerous_first(held: list[Resource]) -> Selected:
    """Return allergies with those that matter most first: current ones, of high risk, with severe reactions.

    What is not stated may be dangerous, so it comes before what is said to be mild. Alike ones stay in order.
    """

    def rank(allergy: Resource) -> tuple[bool, int, int]:
        severities = [str(each.get("severity", "")) for each in allergy.get("reaction", ())]
        return (
            bool(_codes(allergy.get("clinicalStatus")) & PAST),
            RISK.get(str(allergy.get("criticality", "")), RISK[""]),
            min((SEVERITY.get(each, SEVERITY[""]) for each in severities), default=SEVERITY[""]),
        )

    return _none_last(sorted(held, key=rank))


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
    "others": _latest,
    "vital-signs": _latest,
    "social-history": _latest,
    "living": _latest,
    "problems": _none_last,
    "allergies": _most_dangerous_first,
    "procedures": _none_last,
    "immunizations": _none_last,
}


def _code_key(resource: Resource) -> str:
    """Return what repeated measurements have in common: code, site and whom or what they are about."""
    codings = sorted(
        f"{each.get('system')}|{each.get('code')}"
        for concept in _concepts(resource.get("code"))
        for each in concept.get("coding", ())
    )
    what = " ".join(codings) or _texts(resource.get("code"))
    site = " ".join(sorted(_codes(resource.get("bodySite")))) or _texts(resource.get("bodySite"))
    return f"{resource.get('resourceType')} {what} {site} {focus_key(resource)}"


def _concepts(member: object) -> list[Resource]:
    """Return the CodeableConcepts of a member; types of R4 have text or other things under the same name."""
    listed = member if isinstance(member, list) else [member]
    return [each for each in listed if isinstance(each, Mapping)]


def _codes(member: object) -> set[str]:
    return {str(coding.get("code")) for each in _concepts(member) for coding in each.get("coding", ())}


def _texts(member: object) -> str:
    return " ".join(str(each.get("text", "")) for each in _concepts(member))


def _status(resource: Resource) -> str:
    """Return the status code, "" where the type has something else under this name, or nothing."""
    status = resource.get("status")
    return status if isinstance(status, str) else ""


def _condition(resource: Resource) -> str:
    return "past-problems" if _codes(resource.get("clinicalStatus")) & PAST else "problems"


def _medication(resource: Resource) -> str:
    if resource.get("intent", "order") in NOT_ORDERED:
        return ""
    if resource.get("doNotPerform") is True:
        return "cautions" if _status(resource) in {"active", "on-hold", "unknown"} else ""
    taken = {"active", "on-hold", "intended", "unknown", "not-taken"}
    return "medications" if _status(resource) in taken else ""


def _observation(resource: Resource) -> str:
    """Return the section of a finding; one about another than the patient stands apart in its own."""
    if _status(resource) in {"registered", "cancelled"}:
        return ""
    section = _finding(resource)
    return "others" if section and is_about_another(resource) else section


def _finding(resource: Resource) -> str:
    codes, categories = _codes(resource.get("code")), _codes(resource.get("category"))
    if (codes | _codes(resource.get("valueCodeableConcept"))) & NO_RESUSCITATION:
        return "cautions"
    if codes & PREGNANCY_CODES:
        return "pregnancy"
    for section, own in (("vital-signs", VITAL_CODES), ("social-history", SMOKING_CODES)):
        if section in categories or (not categories and codes & own):
            return _social(codes) if section == "social-history" else section
    return "" if categories and categories <= SURVEYED else "results"


def _social(codes: set[str]) -> str:
    """Return the section of a social finding: EPS 1.0.0 takes nothing but smoking in its own."""
    return "social-history" if codes & SMOKING_CODES else "living"


def _order(resource: Resource) -> str:
    forbids = resource.get("doNotPerform") is True or bool(_codes(resource.get("code")) & NO_RESUSCITATION)
    stands = _status(resource) in {"active", "on-hold", "unknown"}
    return "cautions" if forbids and stands and resource.get("intent") not in NOT_ORDERED else ""


def _procedure(resource: Resource) -> str:
    return "" if _status(resource) == "not-done" else "procedures"


def _device_use(resource: Resource) -> str:
    return "" if _status(resource) in {"intended"} else "devices"


def _device(resource: Resource) -> str:
    """Return the devices' section for a device of the patient that is not put away."""
    return "devices" if resource.get("patient") and _status(resource) != "inactive" else ""


def _consent(resource: Resource) -> str:
    kinds = _codes(resource.get("category")) | _codes(resource.get("scope"))
    return "advance-directives" if _status(resource) == "active" and kinds & DIRECTIVES else ""


def _document(resource: Resource) -> str:
    kinds = _codes(resource.get("type")) | _codes(resource.get("category"))
    return "advance-directives" if _status(resource) == "current" and kinds & DIRECTIVES else ""


_RULES = {
    "Condition": _condition,
    "AllergyIntolerance": lambda _: "allergies",
    "MedicationStatement": _medication,
    "MedicationRequest": _medication,
    "Immunization": lambda _: "immunizations",
    "Procedure": _procedure,
    "Device": _device,
    "DeviceUseStatement": _device_use,
    "DocumentReference": _document,
    "Observation": _observation,
    "ServiceRequest": _order,
    "DiagnosticReport": lambda resource: (
        "" if _status(resource) in {"registered", "cancelled"} else "results"
    ),
    "FamilyMemberHistory": lambda _: "family-history",
    "CarePlan": lambda resource: "plan" if _status(resource) in {"active", "on-hold", "unknown"} else "",
    "Flag": lambda resource: "alerts" if _status(resource) == "active" else "",
    "Consent": _consent,
}
