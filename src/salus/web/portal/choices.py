"""What a citizen decides about the use of their data, and what they are told of it: two pages."""

from __future__ import annotations

from datetime import datetime

from starlette.responses import RedirectResponse, Response

from salus.core.access import Role
from salus.core.errors import NotFound
from salus.store.notices import ACCOUNT_BOUND, ACCOUNT_CODE, PROXY_CONFIRMED
from salus.trust.presence import give_code
from salus.web import notice_ways, notices
from salus.web.portal.visit import Visit
from salus.web.rights.choices import KINDS, is_offered, opt_out, opt_outs, weigher_of

OUT, BACK = "opt-out", "take-back"
NO_MESSAGE = "none"

CHOSEN = {"yes": True, "no": False}
WAYS = {
    ACCOUNT_BOUND: "/login/accounts", ACCOUNT_CODE: "/login/accounts", PROXY_CONFIRMED: "/acting",
}  # fmt: skip
"""Where the citizen undoes what a notice tells of."""


async def choices(visit: Visit) -> Response:
    """Show the opt-outs that the law offers, the channel of notices, and the way to a one-time code."""
    return await _page(visit)


async def change_opt_out(visit: Visit) -> Response:
    """Opt out, once the risk was read on a page of its own, or take that back at once."""
    kind, change = visit.request.path_params["kind"], visit.form.get("change", "")
    if kind not in KINDS or change not in (OUT, BACK):
        raise NotFound("There is no such choice.")
    if change == OUT and visit.form.get("confirmed") != "yes":
        return visit.show("opt-out.html", visit.say(f"{kind}-opt-out"), kind=kind, risk=_risk(visit, kind))
    await opt_out(visit.services, visit.caller, kind, opted_out=change == OUT)
    return RedirectResponse(f"/choices?language={visit.language}", 303)


async def make_code(visit: Visit) -> Response:
    """Make a one-time code and show it, once."""
    code, until = await give_code(weigher_of(visit.services), visit.caller)
    return await _page(visit, code=f"{code[:4]} {code[4:]}", until=until)


async def change_channel(visit: Visit) -> Response:
    """Choose the quiet channel or the ordinary one, or to be told of each access or of unusual ones."""
    quiet, every = (CHOSEN.get(visit.form.get(name, "")) for name in ("quiet", "every"))
    await notices.choose(visit.services, visit.caller, quiet=quiet, every=every)
    return RedirectResponse(f"/choices?language={visit.language}", 303)


async def change_way(visit: Visit) -> Response:
    """Choose how messages come, or none."""
    form = visit.form
    if form.get("channel", "") == NO_MESSAGE:
        await notice_ways.end_how(visit.services, visit.caller)
    else:
        wished = notice_ways.WayWished(
            form.get("channel", ""), form.get("address", ""), visit.language, form.get("quiet") == "yes"
        )
        await notice_ways.choose_how(visit.services, visit.caller, wished)
    return RedirectResponse(f"/choices?language={visit.language}", 303)


async def told(visit: Visit) -> Response:
    """Show what the citizen was told; a POST marks one as read."""
    number = visit.form.get("id", "")
    if visit.request.method == "POST" and number.isascii() and number.isdigit() and len(number) <= 18:
        await notices.note_read(visit.services, visit.caller, int(number))
    found = await notices.told(visit.services, visit.caller)
    return visit.show(
        "told.html", visit.say("notices"), notices=found.notices, unread=found.unread, ways=WAYS
    )


async def _page(visit: Visit, *, code: str = "", until: datetime | None = None) -> Response:
    services, caller = visit.services, visit.caller
    rows = [
        {
            "kind": kind,
            "offered": is_offered(services, kind),
            "changes": await opt_outs(services, caller, kind) if is_offered(services, kind) else [],
        }
        for kind in KINDS
    ]
    # Codes and notices are the person's own; staff at a desk have neither.
    found = None if caller.role is Role.DESK else await notices.told(services, caller)
    way = None if found is None else await notice_ways.way(services, caller)
    return visit.show(
        "choices.html", visit.say("my-choices"), rows=rows, told=found, way=way,
        channels=[*notice_ways.offered(services), NO_MESSAGE],
        is_citizen=caller.role is Role.CITIZEN, code=code, until=until,
    )  # fmt: skip


def _risk(visit: Visit, kind: str) -> list[str]:
    """Return the risk in the reader's language, a sentence or two each."""
    said = [visit.say(f"{kind}-risk")]
    if kind == KINDS[0]:
        opens = visit.services.gatehouse.law.exchange_opt_out_opened_in_emergency.value
        said.append(visit.say("exchange-opens" if opens else "exchange-stays"))
    return said
