"""Which prescription a dispensation names: by reference, or by the prescription's number.

Source: R4 MedicationDispense.authorizingPrescription and references.html#logical (Reference.identifier).
A prescription on paper has neither: it is said in words (Reference.display).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from salus.core.errors import Conflict, InvalidResource, NotFound
from salus.primary.prescriptions import NOT_HANDED_OVER, prescriptions_named
from salus.standards.fhir.codec.json import write_json
from salus.store.changes import Operation
from salus.store.conditions import Here, matching_ids
from salus.store.continuity import Origin
from salus.store.prescriptions import records_of_person
from salus.store.transaction import row_of

LINKS = "authorizingPrescription"
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


async def with_references(
    here: Here, operation: Operation, resource: dict[str, Any], stored: Resource
) -> tuple[Operation, dict[str, Any]]:
    """Return the write of a dispensation, and it parsed, with a reference beside each prescription's number.

    `stored` is what it replaces, {} for nothing: a number that was found once stays that prescription's.

    Raises:
        Conflict: several prescriptions of the person have the number.
        NotFound: none that this access may see has it, and nothing else says where the prescription is.
    """
    row, links = operation.row, list(resource.get(LINKS, ()))
    assert row is not None
    found = [await _with_reference(here, row.compartment, link, stored) for link in links]
    if found == links:
        return operation, resource
    named = {**resource, LINKS: found}
    origin = Origin(row.source, row.source_id)
    written = row_of(here, named, write_json(named), operation.type, operation.id, origin)
    return msgspec.structs.replace(operation, row=written), named


async def _with_reference(here: Here, patient: str, link: Resource, stored: Resource) -> Resource:
    number = link.get("identifier", {})
    if not number.get("value") or prescriptions_named({LINKS: [link]}, bases=here.rules.own_bases):
        return link
    before = (each for each in stored.get(LINKS, ()) if each.get("identifier") == number)
    known = next((each["reference"] for each in before if each.get("reference")), None)
    if known is None:
        found = await _numbered(here, patient, number)
        if len(found) > 1:
            raise Conflict(
                "several prescriptions of this patient have this number: refer to one, MedicationRequest/id"
            )
        if not found and link.get("reference"):  # of another address, and not kept here as well
            return link
        if not found:
            raise NotFound(
                "no prescription with this number is kept at this node, or not for this patient; what was "
                "handed over on paper names its prescription by a display alone"
            )
        known = f"MedicationRequest/{found[0]}"
    return {**link, "reference": known}


async def _numbered(here: Here, patient: str, number: Resource) -> list[str]:
    """Return at most two of the person's prescriptions with the number, of those the grant may see."""
    records = await records_of_person(here.connection, patient) if patient else ()
    if not records:
        return []
    system, value = (_escaped(number.get(name)) for name in ("system", "value"))
    token = f"{system}|{value}" if system else value
    subjects = ",".join(f"Patient/{each}" for each in sorted(records))
    return await matching_ids(
        here, "MedicationRequest", urlencode({"identifier": token, "subject": subjects})
    )


def check_said(resource: Resource) -> None:
    """Check that what a pharmacy hands over says on which prescription, were it in words.

    Raises:
        InvalidResource: it says nothing of it.
    """
    said = any(each.get("reference") or each.get("display") for each in resource.get(LINKS, ()))
    if not said and resource.get("status") not in NOT_HANDED_OVER:
        raise InvalidResource(
            "a hand-over names its authorizingPrescription: by reference or identifier, or one on paper by a "
            'display alone ("on paper, Dr Tamm, 2026-11-20")'
        )


def _escaped(text: object) -> str:
    r"""Return the text as a value of a search: \ | , $ stand for themselves."""
    return "".join(f"\\{each}" if each in "\\|,$" else each for each in str(text or ""))
