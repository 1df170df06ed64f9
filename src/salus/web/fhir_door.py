"""A door at an address below /fhir that answers some requests itself and leaves the rest to the FHIR face."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from salus.core.errors import SalusError
from salus.web.fhir.answer import Answer, send_answer
from salus.web.fhir.face import PREFIX, prefers_xml, send_problem
from salus.web.fhir.negotiation import Format
from salus.web.fhir.request import FhirRequest, read_request
from salus.web.problems import problem
from salus.web.services import Face, Receive, Scope, Send, Services

Respond = Callable[[Services, FhirRequest], Awaitable[Answer]]


def delegating(services: Services, prefixes: tuple[str, ...], respond: Respond) -> Face:
    """Return a face whose requests are read and answered as those of the FHIR face are."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = None
        try:
            request = read_request(
                scope, receive, prefix=PREFIX.encode(), body_bytes_max=services.limits.body_bytes_max
            )
            answer = await respond(services, request)
        except SalusError as error:
            wants_xml = request.format is Format.XML if request else prefers_xml(scope)
            await send_problem(problem(error, xml=wants_xml), scope, send)
        else:
            await send_answer(answer, request, send)

    return Face(prefixes, application)
