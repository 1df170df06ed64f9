"""Security labels that the node sets and reads (R4 security-labels.html)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PATIENT_ASSERTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "PATAST",
    "display": "patient asserted",
}
ASSERTED = f"{PATIENT_ASSERTED['system']}|{PATIENT_ASSERTED['code']}"
"""The label as a search names it."""


def is_label(coding: Mapping[str, Any]) -> bool:  # Any: FHIR content is open JSON
    """Return whether a Coding is the label of what a patient asserted."""
    return all(coding.get(name) == PATIENT_ASSERTED[name] for name in ("system", "code"))


def is_asserted(resource: Mapping[str, Any]) -> bool:
    """Return whether a resource is labelled as asserted by the patient."""
    return any(map(is_label, resource.get("meta", {}).get("security", ())))
