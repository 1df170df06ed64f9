"""Entries whose details say all: allergies, problems, procedures, devices, vaccinations, alerts, plans ..."""

from __future__ import annotations

from salus.primary.details import details_of
from salus.primary.reading.kind import Kind

KIND = Kind(
    (
        "AllergyIntolerance",
        "CarePlan",
        "Condition",
        "Consent",
        "Device",
        "DeviceUseStatement",
        "DocumentReference",
        "FamilyMemberHistory",
        "Flag",
        "Immunization",
        "Procedure",
        "ServiceRequest",
    ),
    details_of,
)
