"""A professional lets a person see results before the time that the law sets (EHDS 3(3)).

POST /rights/results-release with `patient` and `results` ("Observation/x"): answers those that waited.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller
from salus.core.errors import InvalidSearch
from salus.core.identifiers import is_fhir_id
from salus.store.veils import release
from salus.trust.policy import AccessRequest
from salus.web.bodies import read_body
from salus.web.own_record import enter_own
from salus.web.services import Services

RESULTS_MAX = 500
WORD = "results-release"


class _Released(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    patient: str
    results: Annotated[list[str], msgspec.Meta(min_length=1, max_length=RESULTS_MAX)]


async def handle(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Release results."""
    asked = await read_body(request, _Released)
    if not is_fhir_id(asked.patient):
        raise InvalidSearch("patient is the logical id of a Patient of this node.")
    wanted = AccessRequest(Action.UPDATE, WORD, WORD, frozenset({asked.patient}))
    async with enter_own(services, caller, wanted) as access:
        found = await release(access.grant, services.database, asked.patient, asked.results)
    return JSONResponse({"released": found})
