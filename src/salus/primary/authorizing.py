"""Which prescription a dispensation names: by reference, or by the prescription's number.

Source: R4 MedicationDispense.authorizingPrescription and references.html#logical (Reference.identifier).
A prescription on paper has neither: it is said in words (Reference.display).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from salus.core.errors import Conflict, InvalidResource, NotFound
from salus.primary.prescription_names import (
    LINKS,
    ORDER,
    Number,
    contained_order,
    numbers_in,
    numbers_of,
)
from salus.primary.prescriptions import NOT_HANDED_OVER, prescriptions_named
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.search.references import parse_literal
from salus.store.changes import Operation
from salus.store.conditions import Here, matching_ids
from salus.store.continuity import Origin
from salus.store.prescriptions import records_of_person
from salus.store.transaction import row_of

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


async def with_references(
    here: Here, operation: Operation, resource: dict[str, Any], stored: Resource
) -> tuple[Operation, dict[str, Any]]:
    """Return the write of a dispensation, and it parsed, with a reference beside each prescription's number.

    `stored` is what it replaces, {} for nothing: a number that was found once stays that prescription's. A
    prescription within the dispensation that is kept here under its number too gives way to the reference.

    Raises:
        Conflict: several prescriptions of the person have the number.
        NotFound: none that this access may see has it, and nothing else says where the prescription is.
    """
    row, links = operation.row, list(resource.get(LINKS, ()))
    assert row is not None
    found = [await _with_reference(here, row.compartment, link, resource, stored) for link in links]
    if found == links:
        return operation, resource
    named = _without_copies({**resource, LINKS: found}, links)
    origin = Origin(row.source, row.source_id)
    written = row_of(here, named, write_json(named), operation.type, operation.id, origin)
    return msgspec.structs.replace(operation, row=written), named


async def _with_reference(
    here: Here, patient: str, link: Resource, resource: Resource, stored: Resource
) -> Resource:
    numbers = numbers_of(link, resource)
    if not numbers or prescriptions_named({LINKS: [link]}, bases=here.rules.own_bases):
        return link
    before = (each for each in stored.get(LINKS, ()) if numbers_in([each.get("identifier", {})]) & numbers)
    known = next((each["reference"] for each in before if each.get("reference")), None)
    if known is None:
        found = await _numbered(here, patient, numbers)
        if len(found) > 1:
            raise Conflict(
                "several prescriptions of this patient have this number: refer to one, MedicationRequest/id"
            )
        if not found and link.get("reference"):  # of another address or within, and not kept here as well
            return link
        if not found:
            raise NotFound(
                "no prescription with this number is kept at this node, or not for this patient; what was "
                "handed over on paper names its prescription by a display alone"
            )
        known = f"{ORDER}/{found[0]}"
    inner = contained_order(link, resource).get("identifier", ())
    number = next((each for each in inner if numbers_in([each])), None)
    return {**({"identifier": number} if number is not None else {}), **link, "reference": known}


def _without_copies(resource: dict[str, Any], links: Iterable[Resource]) -> dict[str, Any]:
    """Return a dispensation without the prescriptions within it that nothing refers to any more."""
    rest = write_json({**resource, "contained": []})
    names = {str(link.get("reference", "")) for link in links} - {""}
    inner = [
        each
        for each in resource.get("contained", ())
        if each.get("resourceType") != ORDER
        or (name := f"#{each.get('id')}") not in names
        or write_json(name) in rest
    ]
    if len(inner) == len(resource.get("contained", ())):
        return resource
    kept = {key: value for key, value in resource.items() if key != "contained"}
    return {**kept, "contained": inner} if inner else kept


async def _numbered(here: Here, patient: str, numbers: Iterable[Number]) -> list[str]:
    """Return at most two of the person's prescriptions with a number, of those the grant may see."""
    records = await records_of_person(here.connection, patient) if patient else ()
    if not records:
        return []
    tokens = []
    for number in sorted(numbers):
        system, value = (_escaped(each) for each in number)
        tokens.append(f"{system}|{value}" if system else value)
    subjects = ",".join(f"Patient/{each}" for each in sorted(records))
    query = urlencode({"identifier": ",".join(tokens), "subject": subjects})
    return await matching_ids(here, ORDER, query)


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


async def check_addresses(here: Here, patient: str, resource: Resource, stored: Resource) -> None:
    """Check that each reference of a hand-over is to a prescription kept here, or clearly to none of them.

    What is this node's own address in other words, or another server's with the id of one of the person's
    prescriptions here and no number that tells the two apart, would be kept and counted on nothing.

    Args:
        here: the transaction of the write.
        patient: whose record the hand-over is in.
        resource: the hand-over; absolute references to this node are relative already.
        stored: what it replaces, {} for nothing; a link that stands there stays.

    Raises:
        InvalidResource: naming the reference.
    """
    before = list(stored.get(LINKS, ()))
    for link in resource.get(LINKS, ()):
        reference = str(link.get("reference", ""))
        if not reference or reference.startswith("#") or link in before:
            continue
        literal = parse_literal(reference)
        if literal.type == ORDER and not literal.address:
            continue
        if _host(reference) in {_host(base) for base in here.rules.own_bases}:
            raise InvalidResource(
                f"authorizingPrescription: '{reference}' is an address of this node and of no prescription "
                "here; write MedicationRequest/id"
            )
        if literal.type != ORDER or not reference.lower().startswith(("http://", "https://")):
            raise InvalidResource(
                f"authorizingPrescription: '{reference}' is no address of a MedicationRequest; write "
                "MedicationRequest/id, or give the prescription's identifier"
            )
        if not numbers_of(link, resource) and await _is_kept(here, patient, literal.id):
            raise InvalidResource(
                f"authorizingPrescription: '{reference}' is of another server, and this patient has a "
                f"prescription of the same id here: write {ORDER}/{literal.id} for that one, or give the "
                "identifier of the other"
            )


async def _is_kept(here: Here, patient: str, identity: str) -> bool:
    records = await records_of_person(here.connection, patient) if patient else ()
    subjects = ",".join(f"Patient/{each}" for each in sorted(records))
    query = urlencode({"_id": identity, "subject": subjects})
    return bool(records) and bool(await matching_ids(here, ORDER, query))


def _host(address: str) -> str:
    """Return the host of an address, and its port unless usual, whatever its scheme and spelling."""
    host = address.partition(":")[2].lstrip("/").partition("/")[0].rpartition("@")[2].lower()
    name, _, port = host.partition(":")
    return name.removesuffix(".") + (f":{port}" if port not in ("", "80", "443") else "")


def _escaped(text: object) -> str:
    r"""Return the text as a value of a search: \ | , $ stand for themselves."""
    return "".join(f"\\{each}" if each in "\\|,$" else each for each in str(text or ""))
