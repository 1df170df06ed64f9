"""The ways through the portal: where each role begins, and on which page a form stands."""

from __future__ import annotations

import re

from salus.core.access import Role

FRONT = "/"
FIND = "/patient"
HOMES = {
    Role.CITIZEN: "/record",
    Role.PROXY: "/record",
    Role.CLINICIAN: FIND,
    Role.PHARMACIST: FIND,
    Role.EMERGENCY: FIND,
    Role.DESK: "/login/desk",
    Role.AUDITOR: "/reviews",
    Role.OPERATOR: "/requests",
}
"""The first page of a role; of any other it is the front page."""
PAGES = (
    "/record", "/sharing", "/choices", "/told", "/my-rights/links", "/my-rights/requests",
    "/my-rights/erasures", "/my-rights/complaints", "/my-rights", "/acting", "/desk/proxies", "/desk",
    "/requests", "/erasures", "/reviews", "/apps", "/login/accounts", "/login/desk", "/check", FIND,
)  # fmt: skip
"""Pages with forms, each before those whose address begins it."""
_CHART = re.compile(r"(/patient/[^/]+/[^/]+)(?:/.*)?")


def home_of(role: Role | None) -> str:
    """Return the first page of somebody with this role, None for nobody."""
    return HOMES.get(role, FRONT) if role else FRONT


def page_of_form(path: str) -> str:
    """Return the page on which a form that is sent to this path stands, "" where no page is known."""
    chart = _CHART.fullmatch(path)
    if chart:
        return chart[1]
    return next((page for page in PAGES if path == page or path.startswith(f"{page}/")), "")


def page_before(path: str) -> str:
    """Return the page from which one comes to the page at this path, "" where that is none or itself."""
    page = page_of_form(path)
    if page != path:
        return page
    return FIND if _CHART.fullmatch(path) else ""
