"""A professional finds the patient in front of them: at this node, or at another of the federation."""

from __future__ import annotations

import msgspec
from starlette.responses import RedirectResponse, Response

from salus.core.access import Action, Purpose
from salus.core.errors import InvalidSearch, PeerUnavailable, SalusError
from salus.primary.cross_border import find_patients
from salus.standards.nationalid.identifiers import holds, national_identifiers
from salus.trust.care import LOOKUP, Known
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.abroad import desk_of
from salus.web.portal.emergency import emergency_stated
from salus.web.portal.lookup import Person, find_persons, person_of
from salus.web.portal.patient_context import Stated, keep
from salus.web.portal.treatment import show_code
from salus.web.portal.visit import Visit

CODE_LENGTH_MAX = 40
Found = tuple[str, Person]  # node id and person


async def find_patient(visit: Visit) -> Response:
    """Show the form, or look the patient up and go to their page."""
    if visit.request.method == "GET":
        return _page(visit)
    purpose = Purpose.EMERGENCY if visit.form.get("purpose") == "ETREAT" else Purpose.TREATMENT
    asking = msgspec.structs.replace(visit, visitor=msgspec.structs.replace(visit.caller, purpose=purpose))
    node, reason = visit.form.get("country", ""), visit.form.get("reason", "")
    if purpose is Purpose.EMERGENCY and not reason.strip():
        return _page(visit, problem=visit.say("emergency-needs-why"), status=422)
    try:
        found, silent = await (_here(asking) if node == visit.services.node else _abroad(asking, node))
    except SalusError as error:
        return _page(visit, problem=visit.tell(error), status=error.status)
    if len(found) != 1:
        if silent and not found:
            return _page(
                visit, problem=visit.say("unknown-there"), silent=silent, status=PeerUnavailable.status
            )
        problem = visit.say("several-found", n=len(found)) if found else visit.say("nobody-found")
        return _page(visit, problem=problem, silent=silent, status=422)
    home, person = found[0]
    relationship = "present" if visit.form.get("present") == "yes" else "none"
    code = visit.form.get("code", "")[:CODE_LENGTH_MAX].strip()
    stated = Stated(relationship, code)
    if code and node == visit.services.node and visit.services.care.known is not Known.ORGANISATION:
        try:
            await show_code(asking, person.id, code)
        except SalusError as error:
            return _page(visit, problem=visit.tell(error), status=error.status)
    if purpose is Purpose.EMERGENCY:
        try:
            stated = await emergency_stated(asking, home, person.id, reason, stated)
        except SalusError as error:
            return _page(visit, problem=visit.tell(error), status=error.status)
    answer = RedirectResponse(f"/patient/{home}/{person.id}?language={visit.language}", 303)
    keep(visit, answer, home, person, purpose, stated)
    return answer


async def _here(visit: Visit) -> tuple[list[Found], list[str]]:
    asked = AccessRequest(Action.SEARCH, LOOKUP, "Patient?identifier")
    async with enter(visit.services.gatehouse, visit.caller, asked) as access:
        found = await find_persons(visit.services, access, visit.form.get("identifier", ""))
    return [(visit.services.node, each) for each in found], []


async def _abroad(visit: Visit, node: str) -> tuple[list[Found], list[str]]:
    """Ask the node of the chosen country, once for each kind of number that the text may be there."""
    services = visit.services
    member = services.membership.admitted(node, services.clock())
    found: list[Found] = []
    silent: list[str] = []
    for identifier in _as_identifiers(visit.form.get("identifier", "").strip(), member.country):
        answers, _ = await find_patients(
            desk_of(services, visit.caller), {"identifier": identifier}, countries=[member.country]
        )
        found += [(each.node, person_of(each.resource)) for each in answers.answers.get(node, [])]
        silent += [f"{name} ({reason})" for name, reason in answers.silent]
        if found or silent:
            break
    return found, silent


def _as_identifiers(text: str, country: str) -> list[str]:
    """Return the "system|value" that a number may stand for in a country.

    Raises:
        InvalidSearch: it is no number of that country.
    """
    if "|" in text:
        return [text]
    fitting = [
        f"{row.system}|{text}"
        for row in national_identifiers()
        if row.country == country and holds(row.system, text)
    ]
    if not fitting:
        raise InvalidSearch(f"This is no national identifier of {country}; a digit may be wrong.")
    return fitting


def _page(visit: Visit, *, problem: str = "", silent: list[str] | None = None, status: int = 200) -> Response:
    services = visit.services
    others = services.membership.others(services.node, services.clock())
    places = [{"node": services.node, "name": f"{services.country}, {visit.say('this-node')}"}]
    places += [{"node": member.node, "name": f"{member.country}, {member.name}"} for member in others]
    return visit.show(
        "find.html",
        visit.say("find-patient"),
        status=status,
        places=places,
        chosen=visit.form.get("country", services.node),
        identifier=visit.form.get("identifier", ""),
        code=visit.form.get("code", ""),
        reason=visit.form.get("reason", ""),
        purpose=visit.form.get("purpose", "TREAT"),
        problem=problem,
        silent=silent or [],
    )
