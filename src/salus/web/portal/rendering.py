"""Templates to answers: escaping on, a strict content policy, dates in words."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


@cache
def environment() -> jinja2.Environment:
    """Return the templates of this folder."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("salus.web.portal", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"day": day, "moment": moment, "safe_narrative": Markup}
    return found


def page(template: str, context: dict[str, object], *, status: int = 200) -> HTMLResponse:
    """Return the page of a template."""
    text = environment().get_template(template).render(context)
    return HTMLResponse(text, status_code=status, headers={"content-security-policy": POLICY})


def day(written: str) -> str:
    """Return a FHIR date or dateTime in words, with the precision it has: "3 May 2026", "May 2026"."""
    parts = written[:10].split("-")
    if not written or not all(part.isdigit() for part in parts):
        return written or "no date"
    year, month = parts[0], int(parts[1]) if len(parts) > 1 else 0
    if not 1 <= month <= 12:
        return year
    number = f"{int(parts[2])} " if len(parts) > 2 else ""
    return f"{number}{MONTHS[month - 1]} {year}"


def moment(when: datetime | str) -> str:
    """Return a moment in words and UTC: "3 May 2026, 14:05:09 UTC"; a text that is only a day stays a day."""
    if isinstance(when, str):
        try:
            parsed = datetime.fromisoformat(when)
            if "T" not in when or parsed.tzinfo is None:
                return day(when)
            parsed = parsed.astimezone(UTC)
        except (ValueError, OverflowError):
            return day(when)
        when = parsed
    when = when.astimezone(UTC)
    return f"{when.day} {MONTHS[when.month - 1]} {when.year}, {when:%H:%M:%S} UTC"
