"""The pages of the patient in front of a professional: prescriptions, hand-overs, the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from starlette.responses import Response

from salus.core.errors import SalusError
from salus.core.identifiers import new_id
from salus.primary.amounts import Amount, read_amount
from salus.primary.cross_border import fetch_summary, what_home_says
from salus.primary.dispensable import Hindrance
from salus.primary.language import Shown, show_status
from salus.primary.prescribed import Prescribed
from salus.primary.prescriptions import early_reason
from salus.primary.quantities import show_number, show_quantity
from salus.primary.reading.entry import read_entry
from salus.primary.shown import fingerprint
from salus.primary.substitution import Leave
from salus.store.peer_notices_received import HomeSays
from salus.web.abroad import desk_of
from salus.web.portal.composing import compose_here
from salus.web.portal.letters import chosen, send_pdf, show_letter
from salus.web.portal.patient_context import InFront, in_front, speaking
from salus.web.portal.prescribed import (
    HandOver,
    Resource,
    abroad,
    hand_overs_abroad,
    prescriptions_abroad,
    read_chart,
)
from salus.web.portal.rendering import day, moment
from salus.web.portal.session import form_token
from salus.web.portal.visit import Visit

DONE = frozenset({"handed", "taken-back", "finished"})
DATED = frozenset({"not-begun", "not-yet", "too-early"})
"""Hindrances that name a date."""
NO_LEAVE = frozenset({Leave.NONE, Leave.UNCLEAR})
BY_ATC = frozenset({Leave.SUBSTANCE, Leave.GROUP})
"""What the prescriber allows is told from the ATC code of the product that is given."""


async def chart(visit: Visit) -> Response:
    """Show what is prescribed and handed over, or why that is not known, and the way to the summary."""
    found = in_front(visit)
    unknown, status = "", 200
    listed: list[Prescribed] = []
    made: list[HandOver] = []
    products: dict[str, Resource] = {}
    rows = "own-rows"
    try:
        if found.node == visit.services.node:
            held = await read_chart(visit, found)
            listed, made, products = held.prescriptions, held.hand_overs, held.products
            rows = "newest-rows" if held.older else "own-rows"
        else:
            listed = await prescriptions_abroad(visit, found)
    except SalusError as error:
        unknown, status = visit.tell(error), error.status
    said: tuple[HomeSays, ...] = ()
    if found.node != visit.services.node:
        made = await hand_overs_abroad(visit, found)
        said = await what_home_says(desk_of(visit.services, speaking(visit, found)), abroad(found))
    named = {each.resource["id"]: each for each in listed}
    done = visit.request.query_params.get("done", "")
    return visit.show(
        "patient.html",
        visit.say("patient"),
        status=status,
        banner=banner(visit, found),
        path=found.path,
        prescriptions=[_row(each, visit) for each in listed],
        unknown=unknown,
        hand_overs=[_made(each, named, products, visit) for each in made],
        rows=visit.say(rows, n=len(made)),
        home_says_notes=_said(visit, said),
        done=visit.say(f"done-{done}") if done in DONE else "",
    )


async def summary(visit: Visit) -> Response:
    """Show the patient summary, validated on arrival, in the language chosen."""
    found = in_front(visit)
    document, said = await _summary_of(visit, found)
    return await show_letter(
        visit,
        document,
        path=f"{found.path}/summary",
        title=visit.say("patient-summary"),
        banner=banner(visit, found),
        back=found.path,
        home_says=_said(visit, said),
    )


async def summary_pdf(visit: Visit) -> Response:
    """Send the patient summary as a PDF, in the language chosen."""
    document, _ = await _summary_of(visit, in_front(visit))
    return await send_pdf(visit, document)


async def _summary_of(visit: Visit, found: InFront) -> tuple[Resource, tuple[HomeSays, ...]]:
    """Return the summary, composed here or at the patient's home node, and what that node has told of it."""
    caller = speaking(visit, found)
    if found.node == visit.services.node:
        document = await compose_here(visit.services, caller, found.person.id, (chosen(visit),))
        return document, ()
    fetched = await fetch_summary(desk_of(visit.services, caller), abroad(found))
    return fetched.resource, fetched.home_says


def _said(visit: Visit, said: Sequence[HomeSays]) -> list[str]:
    """Return what the patient's home told this node, in the reader's words."""
    return [
        visit.say(
            f"home-says-{each.kind}",
            when=moment(each.at, visit.language),
            since=moment(each.since or each.at, visit.language),
            what=", ".join(each.names) or visit.say("home-says-all"),
        )
        for each in said
    ]


def _row(each: Prescribed, visit: Visit) -> dict[str, object]:
    """Return a prescription in words, with what one hand-over may give."""
    most, left = each.most, each.left.amount
    return {
        "id": each.resource["id"],
        "entry": read_entry(each.resource, _products(each), visit.language, visit.services.clock()),
        "why_not": _why_not(each.hindrance, visit) if each.hindrance else "",
        "status": each.resource.get("status", ""),
        "left": _amount(left, visit).text if left is not None else _fills(each.left.fills, visit),
        "copies": visit.say("copies", n=each.item.copies + 1) if each.item.copies else "",
        "by_reason": each.hindrance is not None and each.hindrance.by_reason,
        "most": _amount(most, visit).text if most is not None else "",
        "number": show_number(f"{most.value.normalize():f}", visit.language) if most is not None else "",
        "leave": each.item.leave.value,
        "other": each.item.leave not in NO_LEAVE,
        "by_atc": each.item.leave in BY_ATC,
        "dispense_id": new_id(),
        "shown": fingerprint(each.resource, each.medication),
    }


def _why_not(hindrance: Hindrance, visit: Visit) -> str:
    detail, language = hindrance.detail, visit.language
    told = day(detail, language) if hindrance.code in DATED else show_status(detail, language).text
    return visit.say(f"why-{hindrance.code}", what=told)


def _fills(number: int, visit: Visit) -> str:
    return visit.say("fills-one" if number == 1 else "fills", n=number)


def _made(
    each: HandOver, named: Mapping[str, Prescribed], products: Mapping[str, Resource], visit: Visit
) -> dict[str, object]:
    """Return a hand-over in words; a product it only refers to is looked up with its prescription."""
    links = [str(one.get("reference", "")) for one in each.resource.get("authorizingPrescription", ())]
    prescribed = next(
        (named[link.rpartition("/")[2]] for link in links if link.rpartition("/")[2] in named), None
    )
    held = {**(_products(prescribed) if prescribed else {}), **products}
    amount = read_amount(each.resource.get("quantity"))
    return {
        "entry": read_entry(each.resource, held, visit.language) if each.resource else None,
        "amount": _amount(amount, visit).text if amount is not None else "",
        "at": each.at,
        "state": each.state,
        "note": each.note,
        "early_reason": early_reason(each.resource),
        "system": each.dispense_id[0],
        "value": each.dispense_id[1],
    }


def _products(each: Prescribed) -> dict[str, Resource]:
    """Return the Medication that the prescription refers to, by reference; {} when it names the product."""
    return {f"Medication/{each.medication['id']}": each.medication} if each.medication.get("id") else {}


def _amount(amount: Amount, visit: Visit) -> Shown:
    fields = {"unit": amount.unit, "code": amount.code, "system": amount.system}
    value = f"{amount.value.normalize():f}"
    return show_quantity(
        {"value": value, **{name: text for name, text in fields.items() if text}}, visit.language
    )


def banner(visit: Visit, found: InFront) -> dict[str, object]:
    """Return what the head of a patient's pages shows: who, where their record is, why it is read."""
    home, node = found.node, visit.services.node
    place = visit.say("place-here") if home == node else visit.say("place-abroad", home=home, node=node)
    purpose = visit.say("purpose", what=visit.say(f"purpose-{found.purpose.value}"))
    until = found.stated.emergency_until
    return msgspec.structs.asdict(found.person) | {
        "place": place,
        "purpose": purpose,
        "path": found.path,
        "csrf": form_token(visit.sessions, visit.request),
        "emergency_until": datetime.fromtimestamp(until, UTC) if until else None,
    }
