"""Small FHIR values the generator repeats: codings, quantities, references."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ATC = "http://www.whocc.no/atc"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"

Resource = dict[str, Any]  # Any: FHIR JSON, written by this generator and checked by validation


def coded(text: str, *codes: tuple[str, str]) -> Resource:
    """Return a CodeableConcept of (system, code) pairs; a pair without a code is left out."""
    coding = [{"system": system, "code": code, "display": text} for system, code in codes if code]
    return {"coding": coding, "text": text} if coding else {"text": text}


def term(system: str, code: str) -> Resource:
    """Return a CodeableConcept with one code of an HL7 code system, e.g. `condition-clinical`."""
    return {"coding": [{"system": TERMINOLOGY + system, "code": code}]}


def quantity(amount: Decimal | int, unit: str, ucum: str) -> Resource:
    """Return a UCUM Quantity; the amount keeps its decimals."""
    return {"value": amount, "unit": unit, "system": UCUM, "code": ucum}


def rounded(amount: float, decimals: int) -> Decimal:
    """Return the amount with exactly this many decimals."""
    return Decimal(f"{amount:.{decimals}f}")


def day(moment: date) -> str:
    """Return the FHIR date."""
    return moment.isoformat()


def reference(resource: Resource) -> Resource:
    """Return a literal reference to a resource of the same file."""
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}
