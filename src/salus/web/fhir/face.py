"""The FHIR face: one bare ASGI application, so that a read costs one coroutine (architecture, decision 2)."""

from __future__ import annotations

import time

import msgspec

from salus.core.errors import NotAcceptable, SalusError
from salus.trust.identity import authenticate
from salus.web.fhir.answer import Answer, charged, marked, send_answer
from salus.web.fhir.capability import capabilities
from salus.web.fhir.evening import wait_for_step
from salus.web.fhir.exchanged import counted
from salus.web.fhir.negotiation import Format, answer_format
from salus.web.fhir.request import FhirRequest, read_request
from salus.web.fhir.routes import addresses, route, shape_of
from salus.web.fhir.search import with_form
from salus.web.problems import Problem, problem
from salus.web.services import Face, Receive, Scope, Send, Services

PREFIX = "/fhir"
READS = frozenset({"T/i", "T/i/_history/v"})
"""Shapes of addresses by which one thing is found or not: found, it was not hidden."""


def face(services: Services) -> Face:
    """Return the FHIR REST interface of a node, at `base_url` + "/fhir"."""
    prefix = PREFIX.encode("ascii")
    body_bytes_max = services.limits.body_bytes_max

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = None
        try:
            request = read_request(scope, receive, prefix=prefix, body_bytes_max=body_bytes_max)
            answer = await respond(services, request)
        except SalusError as error:
            wants_xml = request.format is Format.XML if request else prefers_xml(scope)
            await send_problem(problem(error, xml=wants_xml), scope, send)
        else:
            await send_answer(answer, request, send)

    metadata = f"{PREFIX}/metadata"
    return Face((PREFIX,), application, addresses(PREFIX) | {metadata: ("GET",)}, (metadata,))


async def respond(services: Services, request: FhirRequest) -> Answer:
    """Return the answer to a request. Without a token only `metadata` answers.

    Raises:
        SalusError: the request is refused; nothing was changed.
    """
    if request.segments == ("metadata",):
        return capabilities(services, request)
    caller = authenticate(
        services.doorkeeper, request.header("authorization") or None, request.proven_key, request.asked
    )
    asked = await with_form(request)
    started = time.perf_counter()
    try:
        answer = await counted(services, caller, asked, route(asked)(services, asked, caller))
    except SalusError:
        await wait_for_step(started)
        raise
    if shape_of(asked.segments) not in READS:
        await wait_for_step(started)
    if asked is not request:
        answer = msgspec.structs.replace(answer, format=asked.format, pretty=asked.pretty)
    return charged(marked(answer, caller), services.database.shares, caller)


def prefers_xml(scope: Scope) -> bool:
    """Return whether a request that could not be read would rather have XML."""
    accept = next((text for name, text in scope["headers"] if name.lower() == b"accept"), b"")
    try:
        return answer_format(accept.decode("latin-1")) is Format.XML
    except NotAcceptable:
        return False


async def send_problem(answer: Problem, scope: Scope, send: Send) -> None:
    """Send the answer to a refused request."""
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})
