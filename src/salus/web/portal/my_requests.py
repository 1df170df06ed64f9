"""Requests for correction: the person's page, and the operator's."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import RedirectResponse, Response

from salus.core.errors import InvalidSearch, SalusError
from salus.primary.rights.rectification import TEXT_LENGTH_MAX
from salus.web.portal.visit import Visit
from salus.web.rights import rectifications
from salus.web.rights.rectifications import Answer, Asked, shown

STATES = ("accepted", "refused", "extended")


async def my_requests(visit: Visit) -> Response:
    """Show the person's requests, with the form where an entry is named; a POST sends one."""
    problem, status = "", 200
    entry = visit.form.get("entry", "") or visit.request.query_params.get("entry", "")
    if visit.request.method == "POST":
        kind = "not-mine" if visit.form.get("kind") == "not-mine" else "entry"
        try:
            asked = Asked(entry[:200], visit.form.get("said", ""), kind)  # type: ignore[arg-type]  # one of the two
            await rectifications.ask(visit.services, visit.caller, asked)
        except SalusError as error:
            problem, status = visit.tell(error), error.status
        else:
            return RedirectResponse(f"/my-rights/requests?language={visit.language}", 303)
    found = await rectifications.own(visit.services, visit.caller)
    rows = [(each, shown(visit.services, each)) for each in found]
    return visit.show(
        "my-requests.html", visit.say("requests-title"), status=status, rows=rows, problem=problem,
        entry=entry, said_max=TEXT_LENGTH_MAX,
    )  # fmt: skip


async def staff_requests(visit: Visit) -> Response:
    """Show the operator what waits for an answer."""
    return await _staff(visit)


async def answer_request(visit: Visit) -> Response:
    """Keep the operator's answer."""
    form = visit.form
    try:
        said = Answer(_state(form.get("state", "")), form.get("said", ""), _version(form), "unmerge" in form)  # type: ignore[arg-type]  # one of STATES
        await rectifications.answer(visit.services, visit.caller, visit.request.path_params["id"], said)
    except SalusError as error:
        return await _staff(visit, visit.tell(error), error.status)
    return RedirectResponse(f"/requests?language={visit.language}", 303)


async def _staff(visit: Visit, problem: str = "", status: int = 200) -> Response:
    found = await rectifications.requests(visit.services, visit.caller, answered=False)
    rows = [(each, shown(visit.services, each)) for each in found]
    return visit.show(
        "requests.html", visit.say("requests-staff"), status=status, rows=rows, problem=problem, states=STATES
    )


def _state(text: str) -> str:
    if text not in STATES:
        raise InvalidSearch(f"Choose one of {', '.join(STATES)}.")
    return text


def _version(form: Mapping[str, str]) -> int | None:
    text = form.get("version", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidSearch("A version is a number.")
    return int(text)
