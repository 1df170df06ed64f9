"""Why a value is absent: nullFlavor (HL7 v3) as data-absent-reason (FHIR R4).

Source: http://hl7.org/fhir/R4/cm-data-absent-reason-v3.html; what it does not map says "unknown".
"""

from __future__ import annotations

from typing import Any

from salus.standards.cda.node import Node

DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
SYSTEM = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_REASONS = {
    "UNK": "unknown",
    "NI": "unknown",
    "ASKU": "asked-unknown",
    "NASK": "not-asked",
    "NAV": "temp-unknown",
    "MSK": "masked",
    "NA": "not-applicable",
    "OTH": "unsupported",
    "UNC": "unsupported",
    "NP": "not-permitted",
    "NINF": "negative-infinity",
    "PINF": "positive-infinity",
    "QS": "unknown",
    "TRC": "unknown",
    "INV": "error",
}


def reason(node: Node | None) -> str:
    """Return the data-absent-reason that an element states; "unknown" of none, or one that states none."""
    return _REASONS.get(node.null() if node is not None else "", "unknown")


def absent(node: Node | None = None) -> dict[str, Any]:  # Any: FHIR JSON
    """Return the element that stands for a value that is not there, with the reason that the source gives."""
    return {"extension": [{"url": DATA_ABSENT, "valueCode": reason(node)}]}


UNKNOWN = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"


def says_nothing(node: Node | None, what: str) -> dict[str, Any]:  # Any: FHIR JSON
    """Return IPS's code that there is no information, where a coded value is null by NI; else {}.

    Args:
        node: the value that should say what it is.
        what: the code ("no-allergy-info").
    """
    if node is None or node.peek("nullFlavor") != "NI" or node.peek("code") or node.children:
        return {}
    node.null()
    return {"coding": [{"system": UNKNOWN, "code": what}]}


def absent_concept(node: Node | None = None) -> dict[str, Any]:  # Any: FHIR JSON
    """Return a CodeableConcept that stands for a reason (Observation.dataAbsentReason)."""
    return {"coding": [{"system": SYSTEM, "code": reason(node)}]}
