"""POST and DELETE /rights/assisted: staff at a desk begin and end to help one person (EHDS, Art. 4(4)).

What they do for a person at other addresses needs a session that is open; the portal's /desk begins the same.
"""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Caller
from salus.core.errors import InvalidSearch
from salus.core.identifiers import is_fhir_id
from salus.trust import assisting
from salus.trust.assisting import Shown
from salus.web.bodies import read_body
from salus.web.login.records import look_at
from salus.web.rights.choices import weigher_of
from salus.web.services import Services

_WHOM = "Name the patient by the logical id of their Patient."


async def begin(services: Services, caller: Caller, shown: Shown) -> datetime:
    """Begin to help a person; return until when. Raises as `trust.assisting.begin`, NotFound for nobody."""
    if not is_fhir_id(shown.patient):
        raise InvalidSearch(_WHOM)
    await look_at(services, caller, shown.patient)
    people_max = services.limits.assisted_people_per_day_max
    return await assisting.begin(weigher_of(services), caller, shown, people_max=people_max)


async def end(services: Services, caller: Caller, patient: str) -> None:
    """End to help a person."""
    await assisting.end(weigher_of(services), caller, patient)


async def handle_begin(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer whom the session is of, and until when."""
    shown = await read_body(request, Shown)
    until = await begin(services, caller, shown)
    return JSONResponse({"patient": shown.patient, "until": until.isoformat()}, 201)


async def handle_end(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """End the session of the `patient` named."""
    patient = request.query_params.get("patient", "")
    if not is_fhir_id(patient):
        raise InvalidSearch(_WHOM)
    await end(services, caller, patient)
    return JSONResponse({"patient": patient, "ended": True})
