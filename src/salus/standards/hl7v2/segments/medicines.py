"""RXO, RXE, RXD, RXR and RXA: prescribed, dispensed, by which way, given; vaccinations (v2.5.1, 4.14)."""

from __future__ import annotations

from salus.standards.hl7v2.datatypes import (
    Json,
    concept,
    date_time,
    decimal,
    practitioner,
    quantity,
    repeated,
)
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making
from salus.standards.hl7v2.segments.orders import numbers, people_of, request_status
from salus.standards.hl7v2.segments.segment import Reads
from salus.standards.hl7v2.segments.timing import take_held
from salus.standards.hl7v2.tables import in_fhir

VACCINATIONS = frozenset({"VXU", "VXR", "VXX"})


def _prescription(making: Making, rx: Segment) -> None:
    """Read an order (RXO) or an encoded order (RXE): what, how much, how, for whom."""
    encoded = rx.name == "RXE"
    what, amount, unit, texts = (2, 3, 5, (7, 21)) if encoded else (1, 2, 4, (6, 7))
    code = concept(rx, what)
    if code is None:
        return
    identifiers, placer, filler = numbers(making, rx)
    found: Json = {
        "resourceType": "MedicationRequest",
        "status": _status(request_status(making, making.context.order)),
        "intent": "order",
        "medicationCodeableConcept": code,
    }
    if identifiers:
        found["identifier"] = identifiers
    order = making.context.order
    if order is not None:
        if at := date_time(order, 9):
            found["authoredOn"] = at
        if (by := people_of(making, order, 12)) is not None:
            found["requester"] = by
    dosage: Json = {}
    lines = [_texts(rx, field) for field in texts]
    if said := "; ".join(filter(None, lines)):
        dosage["text"] = said
    if (number := decimal(rx.text(amount))) is not None:
        dosage["doseAndRate"] = [{"doseQuantity": quantity(number, concept(rx, unit))}]
    if dosage:
        found["dosageInstruction"] = [dosage]
    dispense: Json = {}
    total, unit_of_total = (10, 11) if encoded else (11, 12)
    if (number := decimal(rx.text(total))) is not None:
        dispense["quantity"] = quantity(number, concept(rx, unit_of_total))
    if (repeats := rx.text(12 if encoded else 13)).isdigit():
        dispense["numberOfRepeatsAllowed"] = int(repeats)
    if dispense:
        found["dispenseRequest"] = dispense
    address = making.address_of("MedicationRequest", placer or filler, rx)
    found = making.in_encounter(making.about_patient(found))
    held = {**making.resources.get(address, {}), **found}
    if before := held.pop("medicationReference", None):  # the encoded order says anew what it is made of
        making.resources.pop(before["reference"], None)
    take_held(making, held)
    making.context.medication = making.context.noted = held
    making.context.request = address
    making.resources[address] = held


def _status(request: str) -> str:
    return {"revoked": "cancelled"}.get(request, request)


def _texts(segment: Segment, field: int) -> str:
    found = []
    for place in range(segment.count(field)):
        said = concept(segment, field, place)
        if said is not None:
            coded = [each.get("display") or each["code"] for each in said.get("coding", ())]
            found.append(str(said.get("text") or " ".join(coded)))
    return " ".join(found)


def _dispensation(making: Making, rxd: Segment) -> None:
    code = concept(rxd, 2)
    if code is None:
        return
    _, placer, filler = numbers(making, rxd)
    found: Json = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": code,
    }
    if making.context.request in making.resources:
        found["authorizingPrescription"] = [{"reference": making.context.request}]
    if at := date_time(rxd, 3):
        found["whenHandedOver"] = at
    if (number := decimal(rxd.text(4))) is not None:
        found["quantity"] = quantity(number, concept(rxd, 5))
    people = [making.aside(each, rxd, f"10-{n}") for n, each in enumerate(repeated(rxd, 10, practitioner))]
    if who := [{"actor": each} for each in people if each is not None]:
        found["performer"] = who
    if text := _texts(rxd, 9):
        found["note"] = [{"text": text}]
    number_of = rxd.text(7)
    known = {"value": number_of} if number_of else filler or placer
    making.context.medication = making.context.noted = found = making.about_patient(found)
    making.add(making.address_of("MedicationDispense", known, rxd, rxd.text(1)), found)


def _route(making: Making, rxr: Segment) -> None:
    held = making.context.medication
    if held is None:
        return
    route, site = concept(rxr, 1, table="0162"), concept(rxr, 2, table="0163")
    if held["resourceType"] == "Immunization":
        if route is not None:
            held["route"] = route
        if site is not None:
            held["site"] = site
        return
    name = "dosageInstruction"
    dosages = held.setdefault(name, [{}])
    if route is not None:
        dosages[0]["route"] = route
    if site is not None:
        dosages[0]["site"] = site
    if not dosages[0]:
        del held[name]


def _component(making: Making, rxc: Segment) -> None:
    """Take what a compound is made of: the medicine becomes one with ingredients."""
    held, item = making.context.medication, concept(rxc, 2)
    if held is None or item is None or held["resourceType"] == "Immunization":
        return
    reference = held.get("medicationReference", {}).get("reference", "")
    if not reference:
        code = held.pop("medicationCodeableConcept")
        made: Json = {"resourceType": "Medication", "code": code, "ingredient": []}
        reference = making.add(making.address_of("Medication", None, rxc), made)
        held["medicationReference"] = {"reference": reference}
    part: Json = {"itemCodeableConcept": item}
    if rxc.text(1) in ("A", "B"):  # HL7 table 0166: additive or base
        part["isActive"] = rxc.text(1) == "A"
    making.resources[reference]["ingredient"].append(part)


def _given(making: Making, rxa: Segment) -> None:
    """Read what was given: of a vaccination message an Immunization, else a MedicationAdministration."""
    code = concept(rxa, 5)
    if code is None:
        return
    vaccination = making.message.header.text(9, 1) in VACCINATIONS
    status = in_fhir("immunization-status", rxa.text(20)) or "completed"
    if rxa.text(21) == "D":
        status = "entered-in-error"
    at, amount = date_time(rxa, 3), decimal(rxa.text(6))
    identifiers, placer, filler = numbers(making, rxa)
    number = filler or placer
    found: Json = {"status": status}
    if identifiers:
        found["identifier"] = identifiers
    if vaccination:
        found |= {"resourceType": "Immunization", "vaccineCode": code}
        found |= {"occurrenceDateTime": at} if at else {"occurrenceString": "(not said by the message)"}
        _vaccine(making, rxa, found, status)
    else:
        found |= {"resourceType": "MedicationAdministration", "medicationCodeableConcept": code}
        found["effectiveDateTime"] = at or None
        if not at:
            absent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
            found["_effectiveDateTime"] = {"extension": [{"url": absent, "valueCode": "unknown"}]}
            del found["effectiveDateTime"]
    if amount is not None and amount not in (999, 0):  # 999: not known
        dose = quantity(amount, concept(rxa, 7))
        found |= {"doseQuantity": dose} if vaccination else {"dosage": {"dose": dose}}
    people = [making.aside(each, rxa, f"10-{n}") for n, each in enumerate(repeated(rxa, 10, practitioner))]
    if who := [{"actor": each} for each in people if each is not None]:
        found["performer"] = who
    found = making.about_patient(found, "patient" if vaccination else "subject")
    found = making.in_encounter(found, "encounter" if vaccination else "context")
    making.context.medication = making.context.noted = found
    more = str(code.get("coding", [{}])[0].get("code", "")) + at
    making.add(making.address_of(found["resourceType"], number, rxa, more), found)


def _vaccine(making: Making, rxa: Segment, found: Json, status: str) -> None:
    if lot := rxa.text(15):
        found["lotNumber"] = lot
    if expires := date_time(rxa, 16):
        found["expirationDate"] = expires[:10]
    if maker := rxa.text(17, 2) or rxa.text(17, 1):
        rxa.take(17)
        made = {"resourceType": "Organization", "name": maker}
        found["manufacturer"] = making.aside(made, rxa, "17")
    if (reason := concept(rxa, 18)) is not None and status == "not-done":
        found["statusReason"] = reason
    source = rxa.text(9)
    if source:
        found["primarySource"] = source == "00"  # NIP001: a new administration; else from another's record


SEGMENTS = (
    Reads("RXO", _prescription), Reads("RXE", _prescription), Reads("RXD", _dispensation),
    Reads("RXR", _route), Reads("RXA", _given), Reads("RXC", _component),
)  # fmt: skip
