"""The shared directory: types that are about no patient, and so are never hidden nor confined to a record."""

from __future__ import annotations

SHARED_TYPES = frozenset(
    {
        *("Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService", "Endpoint"),
        *("Medication", "MedicationKnowledge", "Substance", "Questionnaire", "CodeSystem", "ValueSet"),
        *("ConceptMap", "StructureDefinition", "SearchParameter", "ActivityDefinition", "PlanDefinition"),
    }
)
