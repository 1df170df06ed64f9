"""The portal's addresses. It answers what no other face does."""

from __future__ import annotations

from functools import cache, partial
from importlib import resources

from starlette.responses import Response
from starlette.routing import Route, Router

from salus.core.access import Role
from salus.web.portal import check_page
from salus.web.portal.accesses import accesses, proof, report
from salus.web.portal.acting import acting, change_power
from salus.web.portal.assisting import assisted_page, desk_begin, desk_end
from salus.web.portal.chart import chart, summary, summary_pdf
from salus.web.portal.choices import change_channel, change_opt_out, change_way, choices, make_code, told
from salus.web.portal.confirming import confirming
from salus.web.portal.dispensing import finish, hand_over, take_back
from salus.web.portal.documents import (
    document,
    documents,
    letter,
    letter_pdf,
    own_document,
    own_letter,
    own_letter_pdf,
)
from salus.web.portal.emergency import claim_emergency, reviews
from salus.web.portal.finding import find_patient
from salus.web.portal.front import home
from salus.web.portal.images import (
    find_in_front,
    images,
    own_find,
    own_picture,
    own_study,
    picture_in_front,
    study_in_front,
)
from salus.web.portal.my_complaints import my_complaints, staff_complaints, take_evidence
from salus.web.portal.my_erasures import answer_erasure, my_erasures, note_told, staff_erasures
from salus.web.portal.my_links import end_link, my_links
from salus.web.portal.my_requests import answer_request, my_requests, staff_requests
from salus.web.portal.my_rights import my_recipients, my_rights, take_record
from salus.web.portal.own_summary import own_summary, own_summary_pdf
from salus.web.portal.record import change_restriction, one_category, record
from salus.web.portal.session import Sessions, open_sessions
from salus.web.portal.sharing import add_rule, end_rule, sharing
from salus.web.portal.treatment import state, treating
from salus.web.portal.visit import Handler, door
from salus.web.services import Application, Face, Receive, Scope, Send, Services

CITIZEN = (Role.CITIZEN,)
PERSON = (Role.CITIZEN, Role.PROXY)
ASSISTED = (*PERSON, Role.DESK)
PROFESSIONAL = (Role.CLINICIAN, Role.PHARMACIST, Role.EMERGENCY)
TREATING = (Role.CLINICIAN, Role.PHARMACIST)
READING = (Role.CLINICIAN, Role.EMERGENCY)
STATIC = {
    "/static/portal.css": ("salus.web.portal", "static/portal.css"),
    "/static/reading.css": ("salus.primary.reading", "templates/reading.css"),
}


def face(services: Services) -> Face:
    """Return the door of the pages."""
    sessions = open_sessions(services)
    page = partial(page_route, sessions)
    router = Router(
        [
            Route(check_page.PATH, _Endpoint(check_page.door(sessions)), methods=["GET", "POST"]),
            page("/record", assisted_page(record), ASSISTED),
            page("/record/summary", assisted_page(own_summary), ASSISTED),
            page("/record/summary/pdf", assisted_page(own_summary_pdf), ASSISTED),
            page("/record/images/find", assisted_page(own_find), ASSISTED, "POST"),
            page("/record/images/{study:str}", assisted_page(own_study), ASSISTED),
            page("/record/images/{study:str}/{series:str}", assisted_page(own_picture), ASSISTED),
            page("/record/{change:str}", assisted_page(change_restriction), ASSISTED, "POST"),
            page("/record/{category:str}", assisted_page(one_category), ASSISTED),
            page("/record/documents/{document:str}", assisted_page(own_document), ASSISTED),
            page("/record/documents/{document:str}/read", assisted_page(own_letter), ASSISTED),
            page("/record/documents/{document:str}/read/pdf", assisted_page(own_letter_pdf), ASSISTED),
            page("/sharing", sharing, CITIZEN),
            page("/sharing", add_rule, CITIZEN, "POST"),
            page("/sharing/{id:str}/take-back", end_rule, CITIZEN, "POST"),
            page("/choices", assisted_page(choices), ASSISTED),
            page("/choices/code", make_code, PERSON, "POST"),
            page("/choices/channel", change_channel, PERSON, "POST"),
            page("/choices/way", change_way, PERSON, "POST"),
            page("/choices/opt-out/{kind:str}", assisted_page(change_opt_out), ASSISTED, "POST"),
            page("/told", told, PERSON, "GET", "POST"),
            page("/my-rights", assisted_page(my_rights), ASSISTED),
            page("/my-rights/archive", assisted_page(take_record), ASSISTED, "POST"),
            page("/my-rights/links", assisted_page(my_links), ASSISTED, "GET", "POST"),
            page("/my-rights/links/{id:str}/end", assisted_page(end_link), ASSISTED, "POST"),
            page("/desk", desk_begin, (Role.DESK,), "GET", "POST"),
            page("/desk/end", desk_end, (Role.DESK,), "POST"),
            page("/acting", acting, CITIZEN, "GET", "POST"),
            page("/acting/{id:str}/{change:str}", change_power, CITIZEN, "POST"),
            page("/desk/proxies", confirming, (Role.DESK,), "GET", "POST"),
            page("/my-rights/recipients", assisted_page(my_recipients), ASSISTED),
            page("/my-rights/requests", assisted_page(my_requests), ASSISTED, "GET", "POST"),
            page("/requests", staff_requests, (Role.OPERATOR,)),
            page("/requests/{id:str}", answer_request, (Role.OPERATOR,), "POST"),
            page("/my-rights/erasures", assisted_page(my_erasures), ASSISTED, "GET", "POST"),
            page("/erasures", staff_erasures, (Role.OPERATOR,)),
            page("/erasures/{id:str}", answer_erasure, (Role.OPERATOR,), "POST"),
            page("/erasures/{id:str}/told", note_told, (Role.OPERATOR,), "POST"),
            page("/my-rights/complaints", assisted_page(my_complaints), ASSISTED, "GET", "POST"),
            page("/my-rights/complaints/{number:str}/evidence", assisted_page(take_evidence), ASSISTED),
            page("/complaints", staff_complaints, (Role.AUDITOR,)),
            page("/reviews", reviews, (Role.AUDITOR,), "GET", "POST"),
            page("/accesses", assisted_page(accesses), (Role.CITIZEN, Role.DESK)),
            page("/accesses/{index:int}", proof, CITIZEN),
            page("/accesses/report", report, CITIZEN),
            page("/patient", find_patient, PROFESSIONAL, "GET", "POST"),
            page("/patient/{node:str}/{id:str}", treating(chart), PROFESSIONAL),
            page("/patient/{node:str}/{id:str}/emergency", claim_emergency, PROFESSIONAL, "POST"),
            page("/patient/{node:str}/{id:str}/treatment", state, TREATING, "POST"),
            page("/patient/{node:str}/{id:str}/summary", treating(summary), READING),
            page("/patient/{node:str}/{id:str}/summary/pdf", treating(summary_pdf), READING),
            page("/patient/{node:str}/{id:str}/images", treating(images), READING),
            page("/patient/{node:str}/{id:str}/images/find", treating(find_in_front), READING, "POST"),
            page("/patient/{node:str}/{id:str}/images/{study:str}", treating(study_in_front), READING),
            page(
                "/patient/{node:str}/{id:str}/images/{study:str}/{series:str}",
                treating(picture_in_front),
                READING,
            ),
            page("/patient/{node:str}/{id:str}/documents", treating(documents), READING),
            page("/patient/{node:str}/{id:str}/documents/{document:str}", treating(document), READING),
            page(
                "/patient/{node:str}/{id:str}/documents/{document:str}/read",
                treating(letter),
                READING,
            ),
            page(
                "/patient/{node:str}/{id:str}/documents/{document:str}/read/pdf",
                treating(letter_pdf),
                READING,
            ),
            page("/patient/{node:str}/{id:str}/dispense", hand_over, (Role.PHARMACIST,), "POST"),
            page("/patient/{node:str}/{id:str}/take-back", take_back, (Role.PHARMACIST,), "POST"),
            page("/patient/{node:str}/{id:str}/finish", finish, (Role.PHARMACIST,), "POST"),
        ],
        redirect_slashes=False,
        default=door(sessions, home),
    )

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in STATIC:
            await _static(scope["path"])(scope, receive, send)
            return
        await router(scope, receive, send)

    return Face(("",), application)


def page_route(
    sessions: Sessions, path: str, handler: Handler, roles: tuple[Role, ...] = (), *methods: str
) -> Route:
    """Return the address of a page: only for the roles, when any; for GET unless methods are named."""
    return Route(path, _Endpoint(door(sessions, handler, roles)), methods=list(methods or ("GET",)))


class _Endpoint:
    """An ASGI application that Starlette's Route takes as it is (it wraps functions, not objects)."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)


@cache
def _static(path: str) -> Response:
    package, name = STATIC[path]
    body = resources.files(package).joinpath(name).read_bytes()
    return Response(body, media_type="text/css; charset=utf-8", headers={"cache-control": "max-age=3600"})
