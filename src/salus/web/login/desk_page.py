"""The page of a desk: staff who have seen who somebody is give them a code that binds their account."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from salus.core.errors import InvalidSearch
from salus.core.identifiers import is_fhir_id
from salus.trust.login.binding import DOCUMENT_LENGTH_MAX, PROOFS
from salus.web.login.records import find_for_desk, give_code, look_at
from salus.web.portal.visit import Visit


async def desk(visit: Visit) -> Response:
    """Find a person by the number on their document, show who it is, then give a code."""
    patient = visit.form.get("patient", "")
    if is_fhir_id(patient):
        proof, number = visit.form.get("proof", ""), visit.form.get("number", "")
        try:
            code, expires_at = await give_code(
                visit.services, visit.caller, patient, proof=proof, number=number
            )
        except InvalidSearch as error:
            person = await look_at(visit.services, visit.caller, patient)
            return _page(visit, status=error.status, problem=visit.tell(error), person=person)
        return _page(visit, code=code, until=expires_at)
    identifier = visit.form.get("identifier", "")
    if not identifier:
        return _page(visit)
    return await show_found(visit, identifier, _page)


async def show_found(visit: Visit, identifier: str, page: Callable[..., Response]) -> Response:
    """Return the page with the one person whom a number means, or with why it means nobody or several."""
    found = await find_for_desk(visit.services, identifier)
    if len(found) != 1:
        problem = visit.say("login-several" if found else "login-none", n=len(found))
        return page(visit, status=422, problem=problem)
    return page(visit, person=await look_at(visit.services, visit.caller, found[0]))


def _page(visit: Visit, *, status: int = 200, **more: object) -> Response:
    shown: dict[str, object] = {
        "person": None, "code": "", "until": None, "problem": "", "proofs": PROOFS,
        "number_max": DOCUMENT_LENGTH_MAX,
    }  # fmt: skip
    title = visit.say("desk-title")
    return visit.show("desk.html", title, status=status, **(shown | more))
