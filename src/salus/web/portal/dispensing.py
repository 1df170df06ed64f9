"""A pharmacist hands over, takes back, and asks again about what is not known yet."""

from __future__ import annotations

import re
from decimal import Decimal

from starlette.responses import RedirectResponse, Response

from salus.core.access import Caller
from salus.core.errors import Conflict, InvalidSearch, NotFound
from salus.core.identifiers import new_id
from salus.primary.cross_border import list_resources
from salus.primary.dispensing_abroad import discard, dispense, finish_open
from salus.primary.prescribed import Prescribed
from salus.primary.prescriptions import read_dispensation
from salus.primary.products import ATC
from salus.primary.quantities import decimal_mark
from salus.primary.shown import changed_since, was_changed
from salus.primary.supplies import Supply, dispensation_resource
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.web.abroad import desk_of
from salus.web.fhir import writing
from salus.web.portal.patient_context import InFront, in_front, speaking
from salus.web.portal.prescribed import (
    Resource,
    abroad,
    hand_overs_abroad,
    prescriptions_abroad,
    read_chart,
)
from salus.web.portal.visit import Visit

DISPENSE_SYSTEM = "urn:salus:dispensation"
TEXT_LENGTH_MAX = 200
GIVEN_HERE = frozenset({"source", "versionId"})
"""Members of meta that the node adds to what it reads."""
ATC_CODE = re.compile(r"[A-Z]\d\d[A-Z]{2}\d\d")


async def hand_over(visit: Visit) -> Response:
    """Dispense the amount and product of the form; the same form twice is one hand-over."""
    found = in_front(visit)
    wanted = visit.form.get("prescription", "")
    at_home = found.node == visit.services.node
    chart = await read_chart(visit, found) if at_home else None
    listed = chart.prescriptions if chart else await prescriptions_abroad(visit, found)
    each = next((one for one in listed if one.resource["id"] == wanted), None)
    dispense_id = (DISPENSE_SYSTEM, visit.form.get("dispense_id", ""))
    may_be = each is not None and (each.hindrance is None or each.hindrance.by_reason)
    changed = changed_since(visit.form.get("shown", ""), each.resource, each.medication) if each else []
    if each is None or not may_be or changed:
        known = {one.dispense_id for one in chart.hand_overs} if chart else set()
        if dispense_id in known or (not at_home and await _is_recorded(visit, found, dispense_id[1])):
            return _done(visit, found, "handed")
        if changed and may_be:
            raise was_changed(changed)
        raise NotFound(
            "This prescription is not one of those that may be dispensed now"
            + (f": {each.why_not}." if each else ".")
        )
    supply = _supply(visit, each, dispense_id)
    if at_home:
        await _dispense_here(visit, speaking(visit, found), found, each, supply)
    else:
        desk = desk_of(visit.services, speaking(visit, found))
        await dispense(desk, abroad(found), each.resource, supply)
    return _done(visit, found, "handed")


async def take_back(visit: Visit) -> Response:
    """Discard a hand-over; its record stays, marked, and what was taken is left again."""
    found = in_front(visit)
    wanted = (visit.form.get("system", ""), visit.form.get("value", ""))
    at_home = found.node == visit.services.node
    made = (await read_chart(visit, found)).hand_overs if at_home else await hand_overs_abroad(visit, found)
    each = next((one for one in made if one.dispense_id == wanted), None)
    if each is None:
        raise NotFound("This hand-over is not in the record of this node.")
    if at_home:
        await _discard_here(visit, speaking(visit, found), each.resource)
    else:
        await discard(desk_of(visit.services, speaking(visit, found)), abroad(found), wanted)
    return _done(visit, found, "taken-back")


async def finish(visit: Visit) -> Response:
    """Ask again about every hand-over whose answer is missing; the page then says what is known."""
    found = in_front(visit)
    await finish_open(desk_of(visit.services, speaking(visit, found)))
    return _done(visit, found, "finished")


def _supply(visit: Visit, each: Prescribed, dispense_id: tuple[str, str]) -> Supply:
    """Return what the form says is given: how much, another product by name and ATC code, why so early."""
    product, reason = (_text(visit, name) for name in ("product", "early_reason"))
    quantity = read_quantity(
        visit.form.get("quantity", ""), None if each.most is None else each.most.value, visit.language
    )
    early = reason if each.hindrance is not None and each.hindrance.by_reason else ""
    if not product:
        return Supply(dispense_id, quantity, early_reason=early)
    medication: Resource = {"text": product}
    code = visit.form.get("atc", "").strip().upper()
    if code and not ATC_CODE.fullmatch(code):
        raise InvalidSearch("Write the ATC code of the product with seven characters, such as N02BE01.")
    if code:
        medication["coding"] = [{"system": ATC, "code": code}]
    return Supply(dispense_id, quantity, medication, substituted=True, early_reason=early)


def _text(visit: Visit, name: str) -> str:
    text = visit.form.get(name, "").strip()
    if len(text) > TEXT_LENGTH_MAX or not text.isprintable():
        raise InvalidSearch(f"Write the product or the reason in at most {TEXT_LENGTH_MAX} characters.")
    return text


def read_quantity(written: str, most: Decimal | None, language: str) -> Decimal | None:
    """Return the amount of the form, None where hand-overs are counted.

    Only the decimal mark of the language is one: "1.500" is a thousand and a half to half of Europe.

    Raises:
        InvalidSearch: it is empty, or no amount that may be given.
    """
    if most is None:
        return None
    if not written.strip():
        raise InvalidSearch("Write how much is handed over now: the amount was left empty.")
    mark = decimal_mark(language)
    number = re.fullmatch(rf"(\d{{1,12}})(?:{re.escape(mark)}(\d{{1,12}}))?", written.strip(), re.ASCII)
    amount = Decimal(".".join(filter(None, number.groups()))) if number else Decimal(0)
    if not 0 < amount <= most:
        limit = f"{most.normalize():f}".replace(".", mark)
        raise InvalidSearch(
            f"Write the amount as a number over 0, at most {limit}, without a mark for thousands."
        )
    return amount


async def _is_recorded(visit: Visit, found: InFront, value: str) -> bool:
    """Return whether the hand-over of this id is recorded at the patient's home already."""
    desk = desk_of(visit.services, speaking(visit, found))
    listed = await list_resources(
        desk, abroad(found), "MedicationDispense", identifier=f"{DISPENSE_SYSTEM}|{value}"
    )
    return bool(listed.resources)


async def _dispense_here(
    visit: Visit, caller: Caller, found: InFront, each: Prescribed, supply: Supply
) -> None:
    services, held = visit.services, each.medication
    medications = {f"Medication/{held['id']}": held} if held.get("id") else {}
    resource = dispensation_resource(
        abroad(found), each.resource, supply, caller.name, caller.organisation, services.clock(), medications
    )
    system, number = supply.dispense_id
    entry = writing.single(
        "POST",
        "MedicationDispense",
        identity=new_id(),
        condition=f"identifier={system}|{number}",
        resource=resource,
        content=write_json(resource),
    )
    done = (await writing.write(services, caller, [entry]))[0]
    if done.outcome == "matched" and done.resource is not None:
        known = read_dispensation(parse_json(done.resource.content, services.limits))
        sent = read_dispensation(resource)
        if (known.amount, known.substituted, known.counts) != (sent.amount, sent.substituted, sent.counts):
            raise Conflict("This hand-over is recorded with another amount or product; open the page again.")


async def _discard_here(visit: Visit, caller: Caller, recorded: Resource) -> None:
    meta = {name: member for name, member in recorded.get("meta", {}).items() if name not in GIVEN_HERE}
    resource = {**recorded, "meta": meta, "status": "entered-in-error"}
    if not meta:
        del resource["meta"]
    entry = writing.single(
        "PUT",
        "MedicationDispense",
        identity=str(resource["id"]),
        resource=resource,
        content=write_json(resource),
    )
    await writing.write(visit.services, caller, [entry])


def _done(visit: Visit, found: InFront, what: str) -> Response:
    return RedirectResponse(f"{found.path}?language={visit.language}&done={what}", 303)
