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


def coded(text: str, *codes: tuple[str, str] | tuple[str, str, str]) -> Resource:
    """Return a CodeableConcept of (system, code) or (system, code, display); one without a code is left out.

    The display is the text unless it is given.
    """
    coding = [
        {"system": one[0], "code": one[1], "display": one[2] if len(one) == 3 else text}
        for one in codes
        if one[1]
    ]
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
