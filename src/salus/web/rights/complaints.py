"""A complaint (EHDS, Art. 21; GDPR, Art. 77): written down, with a number and the evidence for it.

The person: POST /rights/complaint, GET /rights/complaints, GET /rights/complaints/NUMBER/evidence (a ZIP).
The node's auditor: GET /rights/complaint-list. Who decides is an authority (`recipients.handle_complaint`);
what it needs is taken along.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller, Role
from salus.core.errors import InvalidSearch, NotFound, SalusError
from salus.primary.rights.archive import Archive
from salus.primary.rights.rectification import checked_text
from salus.store import complaints
from salus.store.complaints import Complaint
from salus.store.shares import beside
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.access_report import access_report
from salus.web.bodies import read_body
from salus.web.ledger import key_of
from salus.web.own_record import enter_own
from salus.web.rights import rectifications
from salus.web.rights.choices import assisted
from salus.web.rights.recipients import known_recipients
from salus.web.services import Services

TYPE, LIST = "complaint", "complaint-list"
ACCESS, ORGANISATION, OTHER = "access", "organisation", "other"
ABOUT_LENGTH_MAX = 200


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person complains of: an access (the `request` of its line), an organisation, or else."""

    said: str
    kind: Literal["access", "organisation", "other"] = "other"
    about: Annotated[str, msgspec.Meta(max_length=ABOUT_LENGTH_MAX)] = ""


async def complain(services: Services, caller: Caller, asked: Asked, *, patient: str = "") -> Complaint:
    """Keep a complaint.

    Raises:
        InvalidSearch: they do not say what is wrong, or not what it is about.
        NotFound: their log has no such access.
        Throttled: too many in a day.
    """
    whose, about, said = patient or caller.patient or "", asked.about.strip(), checked_text(asked.said)
    if bool(about) == (asked.kind == OTHER) or not about.isprintable():
        raise InvalidSearch(
            "Say in `about` the request of the access, or the organisation, in one line; leave it away for "
            "another complaint."
        )
    async with enter_own(services, caller, _own(Action.CREATE, whose)) as access:
        return await complaints.complain(
            access.grant, services.database, whose, kind=asked.kind, about=about, said=said
        )


async def own(services: Services, caller: Caller, *, patient: str = "") -> list[Complaint]:
    """Return the person's complaints, newest first."""
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _own(Action.READ, whose)) as access:
        access.record([whose])
        return await complaints.complaints(access.grant, services.database)


async def everybodys(services: Services, caller: Caller) -> list[Complaint]:
    """Return all complaints, newest first, for the auditor."""
    async with enter(services.gatehouse, caller, AccessRequest(Action.AUDIT, LIST, LIST)) as access:
        found = await complaints.complaints(access.grant, services.database)
        for each in found:
            access.record([each.patient], f"complaint/{each.number}")
    return found


async def evidence(services: Services, caller: Caller, number: int, *, patient: str = "") -> Response:
    """Return the complaint with what shows what was done, as a ZIP.

    Raises:
        NotFound: they made no such complaint.
    """
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _own(Action.READ, whose)) as access:
        access.record([whose], f"complaint/{number} evidence")
        said = await complaints.complaint(access.grant, services.database, number)
    made, left_out, pieces = Archive(services.clock()), list[dict[str, str]](), list[bytes]()
    parts: dict[str, Callable[[], Awaitable[bytes]]] = {
        "complaint.json": lambda: _encoded(shown(said)),
        "access-report.json": lambda: _report(services, caller),
        "recipients.json": lambda: _recipients(services, caller, patient),
        "rectifications.json": lambda: _rectifications(services, caller, patient),
    }
    for path, work in parts.items():
        try:
            content = await work()
        except SalusError as error:
            left_out.append({"path": path, "why": error.message})
            continue
        made.begin(path, "application/json")
        pieces.append(await beside(len(content), made.write, content))
    about = {"node": services.name, "country": services.country, "complaint": number, "left_out": left_out}
    pieces.append(await beside(0, made.finish, about))
    headers = {"content-disposition": f'attachment; filename="complaint-{number}.zip"'}
    return Response(b"".join(pieces), media_type="application/zip", headers=headers)


def shown(each: Complaint) -> dict[str, Any]:  # values of several plain types
    """Return a complaint as its person and the auditor read it."""
    told: dict[str, Any] = msgspec.to_builtins(each)
    return told


async def _encoded(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value))


async def _report(services: Services, caller: Caller) -> bytes:
    if caller.role is not Role.CITIZEN:
        raise NotFound("The report of accesses with its proofs is for the citizen's own log-in.")
    return bytes((await access_report(services, key_of(services), caller)).body)


async def _recipients(services: Services, caller: Caller, patient: str) -> bytes:
    return await _encoded(await known_recipients(services, caller, patient=patient))


async def _rectifications(services: Services, caller: Caller, patient: str) -> bytes:
    found = await rectifications.own(services, caller, patient=patient)
    return await _encoded([rectifications.shown(services, each) for each in found])


def _own(action: Action, patient: str) -> AccessRequest:
    return AccessRequest(action, TYPE, TYPE, frozenset({patient}) if patient else None)


async def handle_complain(
    services: Services, caller: Caller, request: Request, _: dict[str, str]
) -> Response:
    """Take a complaint."""
    asked = await read_body(request, Asked)
    kept = await complain(services, caller, asked, patient=assisted(caller, request))
    authorities = services.gatehouse.law.complaint_authorities.value
    more = {
        "evidence": f"/rights/complaints/{kept.number}/evidence",
        "authorities": msgspec.to_builtins(authorities),
    }
    return JSONResponse(shown(kept) | more, 201)


async def handle_own(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer the person's complaints."""
    found = await own(services, caller, patient=assisted(caller, request))
    return JSONResponse({"complaints": [shown(each) for each in found]})


async def handle_list(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer all complaints, for the auditor."""
    found = await everybodys(services, caller)
    return JSONResponse({"complaints": [shown(each) for each in found]})


async def handle_evidence(
    services: Services, caller: Caller, request: Request, parts: dict[str, str]
) -> Response:
    """Answer the evidence for a complaint."""
    number = number_in(parts["number"])
    return await evidence(services, caller, number, patient=assisted(caller, request))


def number_in(text: str) -> int:
    """Return the number of a complaint. Raises NotFound: it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFound("Complaints have numbers; see /rights/complaints.")
    return int(text)
