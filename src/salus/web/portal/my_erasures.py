"""Requests for erasure: the person's page, and the operator's."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from salus.core.errors import InvalidSearch, SalusError
from salus.primary.rights.rectification import TEXT_LENGTH_MAX
from salus.trust.jurisdictions.law import Ground
from salus.web.portal.my_requests import STATES
from salus.web.portal.visit import Visit
from salus.web.rights import erasures
from salus.web.rights.erasures import WHOLE, Answer, Asked, Told, shown


async def my_erasures(visit: Visit) -> Response:
    """Show the person's requests and the form, for an entry where one is named; a POST sends one."""
    problem, status = "", 200
    entry = (visit.form.get("entry", "") or visit.request.query_params.get("entry", "") or WHOLE)[:200]
    grounds = [ground.value for ground in visit.services.gatehouse.law.erasure_grounds.value]
    if visit.request.method == "POST":
        try:
            ground = _one_of(visit.form.get("ground", ""), grounds)
            asked = Asked(entry, Ground(ground), visit.form.get("said", ""))
            await erasures.ask(visit.services, visit.caller, asked)
        except SalusError as error:
            problem, status = error.message, error.status
        else:
            return RedirectResponse(f"/my-rights/erasures?language={visit.language}", 303)
    rows = [(each, shown(visit.services, each)) for each in await erasures.own(visit.services, visit.caller)]
    return visit.show(
        "my-erasures.html", visit.say("erasures-title"), status=status, rows=rows, problem=problem,
        entry=entry, grounds=grounds, said_max=TEXT_LENGTH_MAX,
    )  # fmt: skip


async def staff_erasures(visit: Visit) -> Response:
    """Show the operator what waits for an answer, and whom to tell of what was erased."""
    return await _staff(visit)


async def answer_erasure(visit: Visit) -> Response:
    """Keep the operator's answer, and erase where it accepts."""
    form = visit.form
    try:
        said = Answer(_one_of(form.get("state", ""), STATES), form.get("said", ""))  # type: ignore[arg-type]  # one of STATES
        await erasures.answer(visit.services, visit.caller, visit.request.path_params["id"], said)
    except SalusError as error:
        return await _staff(visit, error.message, error.status)
    return RedirectResponse(f"/erasures?language={visit.language}", 303)


async def note_told(visit: Visit) -> Response:
    """Note that a node was told."""
    told = Told(visit.request.path_params["id"], visit.form.get("node", ""))
    try:
        await erasures.note_told(visit.services, visit.caller, told)
    except SalusError as error:
        return await _staff(visit, error.message, error.status)
    return RedirectResponse(f"/erasures?language={visit.language}", 303)


async def _staff(visit: Visit, problem: str = "", status: int = 200) -> Response:
    found = await erasures.requests(visit.services, visit.caller, answered=False)
    tell = await erasures.recipients(visit.services, visit.caller, told=False)
    rows = [(each, shown(visit.services, each)) for each in found]
    return visit.show(
        "erasures.html", visit.say("erasures-staff"), status=status, rows=rows, problem=problem, tell=tell
    )


def _one_of(text: str, words: list[str] | tuple[str, ...]) -> str:
    if text not in words:
        raise InvalidSearch(f"Choose one of {', '.join(words)}.")
    return text
