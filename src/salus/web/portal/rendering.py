"""Templates to answers: escaping on, a strict content policy, dates in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache

import jinja2
from starlette.responses import HTMLResponse

from salus.trust.breach.affected import categories
from salus.web.portal.words import phrase, words

ENGLISH = "en"
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
    found.filters |= {"category": category, "day": day, "moment": moment}
    return found


def page(template: str, context: dict[str, object], *, status: int = 200) -> HTMLResponse:
    """Return the page of a template."""
    text = environment().get_template(template).render(context)
    return HTMLResponse(text, status_code=status, headers={"content-security-policy": POLICY})


def category(name: str, language: str = ENGLISH) -> str:
    """Return a category of data in words, as notices of a breach name it."""
    texts = categories()[name].text
    return texts.get(language, texts[ENGLISH])


def day(written: str, language: str = ENGLISH) -> str:
    """Return a FHIR date or dateTime in words, no more and no less precise than it was written.

    "3 May 2026", "May 2026", "3 May 2026, 23:30 (+02:00)": the time is that of the place it was written.
    """
    date, _, time = written.partition("T")
    parts = date.split("-")
    if not written or not all(part.isdigit() for part in parts):
        return written or phrase("no-date", language)
    year, month = parts[0], int(parts[1]) if len(parts) > 1 else 0
    if not 1 <= month <= 12:
        return year
    form = words().dates[language]
    name = form.months[month - 1]
    if len(parts) < 3:
        return form.month.format(month=name, year=year)
    shown = form.day.format(day=int(parts[2]), month=name, year=year)
    return f"{shown}, {_time(time)}" if time else shown


def _time(written: str) -> str:
    """Return the time of a dateTime to the minute, with its offset from UTC."""
    zone = re.search(r"Z|[+-]\d\d:\d\d$", written)
    return f"{written[:5]} ({'UTC' if zone[0] == 'Z' else zone[0]})" if zone else written[:5]


def moment(when: datetime | str, language: str = ENGLISH) -> str:
    """Return a moment in words and UTC: "3 May 2026, 14:05:09 UTC"; a text that is only a day stays a day."""
    if isinstance(when, str):
        try:
            parsed = datetime.fromisoformat(when)
            if "T" not in when or parsed.tzinfo is None:
                return day(when, language)
            parsed = parsed.astimezone(UTC)
        except (ValueError, OverflowError):
            return day(when, language)
        when = parsed
    when = when.astimezone(UTC)
    return f"{day(when.date().isoformat(), language)}, {when:%H:%M:%S} UTC"
