"""SMART Health Links on a page: made, shown once with its QR code, listed, ended."""

from __future__ import annotations

from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from salus.core.errors import InvalidSearch, SalusError
from salus.standards.healthlinks.link import LABEL_LENGTH_MAX
from salus.standards.qr.symbol import svg
from salus.web.portal.visit import Visit
from salus.web.rights import links
from salus.web.rights.links import (
    HOURS_DEFAULT,
    HOURS_MAX,
    OPENINGS_DEFAULT,
    OPENINGS_MAX,
    PASSCODE_LENGTH_MIN,
    Wish,
)

DEFAULTS = {"hours": str(HOURS_DEFAULT), "openings": str(OPENINGS_DEFAULT)}


async def my_links(visit: Visit) -> Response:
    """Show the links and the form of a further one; a refused POST keeps what was written."""
    link, status = "", 200
    problem = ""
    filled = {"content": "", "label": "", "passcode": "", **DEFAULTS}
    if visit.request.method == "POST":
        try:
            _, link = await links.make(visit.services, visit.caller, _wish(visit), visit.language)
        except SalusError as error:
            problem, status = visit.tell(error), error.status
            filled |= {name: visit.form.get(name, "") for name in filled}
    now = visit.services.clock()
    rows = [(each, each.is_good(now)) for each in await links.links(visit.services, visit.caller)]
    return visit.show(
        "my-links.html", visit.say("links-title"), status=status, rows=rows, link=link, problem=problem,
        drawing=Markup(svg(link, title=visit.say("link-qr"))) if link else "",  # noqa: S704  our own drawing
        filled=filled, hours_max=HOURS_MAX, openings_max=OPENINGS_MAX, label_max=LABEL_LENGTH_MAX,
        passcode_min=PASSCODE_LENGTH_MIN,
    )  # fmt: skip


async def end_link(visit: Visit) -> Response:
    """End a link."""
    await links.end(visit.services, visit.caller, visit.request.path_params["id"])
    return RedirectResponse(f"/my-rights/links?language={visit.language}", 303)


def _wish(visit: Visit) -> Wish:
    form = visit.form
    label = form.get("label", "").strip()
    if len(label) > LABEL_LENGTH_MAX:
        raise InvalidSearch(f"The name has at most {LABEL_LENGTH_MAX} characters.")
    return Wish(
        content="record" if form.get("content") == "record" else "summary",
        label=label,
        passcode=form.get("passcode", ""),
        hours=_number(form.get("hours", ""), HOURS_MAX),
        openings_max=_number(form.get("openings", ""), OPENINGS_MAX),
    )


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
        raise InvalidSearch(f"Give a number from 1 to {most}.")
    return int(text)
