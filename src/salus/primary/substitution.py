"""What the prescriber's word on substitution allows (R4 MedicationRequest.substitution).

Codes: HL7 v3 substanceAdminSubstitution. R4 binds them as an example only, so national codes and plain words
occur: what is not known here is no leave, and its words are shown to the pharmacist.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from salus.primary.products import Product, is_same_group, is_same_product, is_same_substance

V3 = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/v3-substanceAdminSubstitution",
        "http://hl7.org/fhir/v3/substanceAdminSubstitution",
        "urn:oid:2.16.840.1.113883.5.1070",
    }
)
Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any


class Leave(StrEnum):
    """How far the product that is given may be from the one prescribed."""

    ANY = "any"  # the pharmacist decides
    GROUP = "group"  # therapeutically equivalent: the same ATC group
    SUBSTANCE = "substance"  # the same active substance, and no other strength or form
    NONE = "none"
    UNCLEAR = "unclear"  # words or a code that are not known here


CODES = {
    "E": Leave.GROUP,
    "EC": Leave.SUBSTANCE,
    "BC": Leave.SUBSTANCE,
    "G": Leave.SUBSTANCE,
    "TE": Leave.GROUP,
    "TB": Leave.GROUP,
    "TG": Leave.GROUP,
    "F": Leave.GROUP,
    "N": Leave.NONE,
}
"""By code. F: a formulary that is not known here bounds it; what no formulary widens is the group."""
STRICTEST = (Leave.NONE, Leave.SUBSTANCE, Leave.GROUP)
REFUSALS = {
    Leave.NONE: "the prescriber excluded substitution: hand over the product that is prescribed",
    Leave.UNCLEAR: (
        "what the prescriber wrote on substitution is not known here, so it is no leave for another product: "
        "hand over the product that is prescribed, or ask the prescriber"
    ),
    Leave.SUBSTANCE: (
        "the prescriber allows only products of the same substance, strength and form, and this one is not "
        "known to be: give its ATC code, hand over the product that is prescribed, or ask the prescriber"
    ),
    Leave.GROUP: (
        "the prescriber allows only therapeutically equivalent products, and this one is not known to be: "
        "give its ATC code, hand over the product that is prescribed, or ask the prescriber"
    ),
}


def read_leave(substitution: Resource | None) -> Leave:
    """Return what MedicationRequest.substitution allows; without one any product may be given (R4)."""
    if substitution is None:
        return Leave.ANY
    if "allowedBoolean" in substitution:
        return Leave.ANY if substitution["allowedBoolean"] is True else Leave.NONE
    codings = substitution.get("allowedCodeableConcept", {}).get("coding", ())
    if any(each.get("code") == "N" for each in codings):  # of whatever system: an N is no leave
        return Leave.NONE
    found = {CODES.get(str(each.get("code"))) for each in codings if each.get("system") in V3}
    return next((each for each in STRICTEST if each in found), Leave.UNCLEAR)


def why_not_given(leave: Leave, prescribed: Product, given: Product, *, substituted: bool) -> str:
    """Return why the product may not be given instead, "" when it may.

    Args:
        leave: of the prescriber.
        prescribed: the product on the prescription.
        given: the product handed over.
        substituted: whether it is said to be another product.
    """
    if leave is Leave.ANY or (not substituted and is_same_product(prescribed, given)):
        return ""
    if leave is Leave.SUBSTANCE and is_same_substance(prescribed, given):
        return ""
    if leave is Leave.GROUP and is_same_group(prescribed, given):
        return ""
    return REFUSALS[leave]
