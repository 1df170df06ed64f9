"""Incidents over HTTP, for auditor and operator: findings of the watch, incidents, clocks, notices, closure.

GDPR, Art. 33 and 34, and NIS2, Art. 23; `trust.incidents` does the work, JSON in and out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Caller
from salus.core.errors import NotFound
from salus.store.findings import KeptFinding
from salus.store.incidents import Incident
from salus.trust.identity import authenticate
from salus.trust.incident_drafts import drafts
from salus.trust.incident_people import AtNode
from salus.trust.incidents import (
    Desk,
    Dossier,
    Opening,
    close,
    dismiss_finding,
    dossier,
    finding_of,
    list_findings,
    list_incidents,
    note,
    open_incident,
    reassess,
    record_notice,
)
from salus.trust.releasing import agree, proposal, propose, release
from salus.web.addresses import find, methods_of
from salus.web.bodies import read_body
from salus.web.proof import proven
from salus.web.services import Face, Receive, Scope, Send, Services

PREFIX = "/incidents"
Parts = dict[str, str]


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str


class _Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    texts: dict[str, str] = {}


class _Digest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    digest: str


class _Protection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    protection: str
    text: str


def face(services: Services) -> Face:
    """Return the door of incidents."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        caller = authenticate(
            services.doorkeeper, request.headers.get("authorization"), proven(request.scope)
        )
        handler, parts = find(ADDRESSES, request.method, request.url.path)
        answer = await handler(desk_of(services, caller), request, parts)
        await answer(scope, receive, send)

    return Face((PREFIX,), application, methods_of(ADDRESSES))


def desk_of(services: Services, caller: Caller) -> Desk:
    """Return the desk of incidents of this node, for a caller."""
    return Desk(
        services.gatehouse, services.database, caller, services.name, services.languages[0],
        services.base_url.rstrip("/"),
    )  # fmt: skip


async def _list(desk: Desk, request: Request, _: Parts) -> Response:
    return _answer({"incidents": [shown(each) for each in await list_incidents(desk)]})


async def _open(desk: Desk, request: Request, _: Parts) -> Response:
    number = await open_incident(desk, await read_body(request, Opening))
    return _answer({"incident": number}, status=201)


async def _findings(desk: Desk, request: Request, _: Parts) -> Response:
    settled = request.query_params.get("all") == "true"
    found = await list_findings(desk, settled=settled)
    return _answer({"findings": [shown_finding(each) for each in found]})


async def _dismiss(desk: Desk, request: Request, parts: Parts) -> Response:
    number = _number(parts)
    await dismiss_finding(desk, number, (await read_body(request, _Text)).text)
    return _answer({"finding": number, "dismissed": True})


async def _dossier(desk: Desk, request: Request, parts: Parts) -> Response:
    return _answer(shown_dossier(await dossier(desk, _number(parts)), desk.gatehouse.clock()))


async def _drafts(desk: Desk, request: Request, parts: Parts) -> Response:
    language = request.query_params.get("language")
    found = await drafts(desk, _number(parts), parts["notice"], language)
    fields = [msgspec.structs.asdict(draft) | {"people": people} for draft, people in found]
    return _answer({"drafts": fields})


async def _note(desk: Desk, request: Request, parts: Parts) -> Response:
    number = _number(parts)
    await note(desk, number, (await read_body(request, _Text)).text)
    return _answer({"incident": number})


async def _record(desk: Desk, request: Request, parts: Parts) -> Response:
    number = _number(parts)
    await record_notice(desk, number, parts["notice"], (await read_body(request, _Text)).text)
    return _answer({"incident": number})


async def _release(desk: Desk, request: Request, parts: Parts) -> Response:
    number = _number(parts)
    texts = (await read_body(request, _Texts)).texts
    if texts:
        proposed = await propose(desk, number, texts)
        return _answer({"incident": number, **msgspec.structs.asdict(proposed)}, status=202)
    done = await release(desk, number)
    return _answer({"incident": number, **msgspec.structs.asdict(done)})


async def _proposal(desk: Desk, request: Request, parts: Parts) -> Response:
    number = _number(parts)
    return _answer({"incident": number, **msgspec.structs.asdict(await proposal(desk, number))})


async def _agree(desk: Desk, request: Request, parts: Parts) -> Response:
    number = _number(parts)
    done = await agree(desk, number, (await read_body(request, _Digest)).digest)
    return _answer({"incident": number, **msgspec.structs.asdict(done)})


async def _reassess(desk: Desk, request: Request, parts: Parts) -> Response:
    number, asked = _number(parts), await read_body(request, _Protection)
    await reassess(desk, number, asked.protection, asked.text)
    return _answer({"incident": number, "protection": asked.protection})


async def _close(desk: Desk, request: Request, parts: Parts) -> Response:
    number = _number(parts)
    await close(desk, number, (await read_body(request, _Text)).text)
    return _answer({"incident": number})


Handler = Callable[[Desk, Request, Parts], Awaitable[Response]]
ADDRESSES: Mapping[str, Mapping[str, Handler]] = {
    "/incidents": {"GET": _list, "POST": _open},
    "/incidents/findings": {"GET": _findings},
    "/incidents/findings/{number}/dismiss": {"POST": _dismiss},
    "/incidents/{number}": {"GET": _dossier},
    "/incidents/{number}/notes": {"POST": _note},
    "/incidents/{number}/notices/{notice}": {"GET": _drafts, "POST": _record},
    "/incidents/{number}/protection": {"POST": _reassess},
    "/incidents/{number}/release": {"GET": _proposal, "POST": _release},
    "/incidents/{number}/release/agree": {"POST": _agree},
    "/incidents/{number}/close": {"POST": _close},
}


def shown(incident: Incident) -> dict[str, Any]:  # Any: JSON values
    """Return an incident as JSON."""
    fields: dict[str, Any] = msgspec.to_builtins(incident)
    return fields


def shown_finding(kept: KeptFinding) -> dict[str, Any]:  # Any: JSON values
    """Return a finding as JSON: its sentence, and each reason with the leaves that show it."""
    found = finding_of(kept)
    fields: dict[str, Any] = msgspec.to_builtins(found)
    return {
        "id": kept.id,
        "found_at": kept.found_at.isoformat(),
        "sentence": found.sentence,
        **fields,
        "incident": kept.incident,
        "dismissed": kept.dismissed,
    }


def shown_dossier(found: Dossier, now: datetime) -> dict[str, Any]:  # Any: JSON values
    """Return a dossier as JSON, each clock with its state now."""
    return {
        **shown(found.incident),
        "clocks": [msgspec.to_builtins(clock) | {"state": clock.state(now)} for clock in found.clocks],
        "exempt": found.exempt,
        "entries": msgspec.to_builtins(found.entries),
        "extent": {**msgspec.to_builtins(found.extent), "erased_since": found.erased_since},
        "nodes": [shown_node(each) for each in found.nodes],
        "people": [
            msgspec.to_builtins(person.affected)
            | {"categories": sorted(person.affected.categories), "language": person.language}
            for person in found.people
        ],
    }


def shown_node(at: AtNode) -> dict[str, Any]:  # Any: JSON values
    """Return a member node that an incident concerns as JSON; of people only how many."""
    return {"node": at.node, "accesses": at.accesses, "people": len(at.patients)}


def _answer(fields: dict[str, Any], *, status: int = 200) -> Response:  # Any: JSON values
    return JSONResponse(fields, status_code=status)


def _number(parts: Parts) -> int:
    text = parts["number"]
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise NotFound("Incidents and findings have numbers; see /incidents and /incidents/findings.")
    return int(text)
