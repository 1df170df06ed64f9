"""Who conforms: counts for Prometheus, indicators as JSON and MeasureReport, a month's signed export.

`/metrics` and what lies below it is for the operator and the auditor; `/metrics/export` is public: what a
node tells its federation of a month has no small numbers (docs/decisions/0047). Nothing here is of a person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Role
from salus.core.errors import AccessRefused, InvalidSearch
from salus.federation.membership_list import key_id
from salus.primary.indicators import export
from salus.primary.indicators.measure import measure_bundle
from salus.primary.indicators.prometheus import MEDIA_TYPE, exposition
from salus.primary.indicators.results import GROUPINGS, rank_faults, work_out
from salus.standards.fhir.codec.json import write_json
from salus.standards.jose import compact
from salus.store.tallies import read_tallies
from salus.trust.identity import authenticate
from salus.web.addresses import find, methods_of
from salus.web.plain_text import YEAR_MIN
from salus.web.services import Face, Receive, Scope, Send, Services

PREFIX = "/metrics"
DAYS = 90
READERS = (Role.OPERATOR, Role.AUDITOR)
EXPORT = f"{PREFIX}/export"
TOLD_MAX = 60
"""Months that a process keeps signed."""

Addresses = Mapping[str, Mapping[str, Callable[[Services, Request], Awaitable[Response]]]]


class Asked(msgspec.Struct, frozen=True):
    """Which days, and grouped by what."""

    first: date
    last: date
    by: tuple[str, ...]


def face(services: Services) -> Face:
    """Return the door of counts and indicators."""
    told: dict[str, str] = {}

    async def export_month(services: Services, request: Request) -> Response:
        before = services.clock().date().replace(day=1) - timedelta(days=1)
        month = request.query_params.get("month", before.isoformat()[:7])
        if month not in told:  # worked out once: a month that is over stays as it is
            if len(told) >= TOLD_MAX:
                told.clear()
            told[month] = await signed_month(services, month)
        return Response(told[month], media_type=f"application/{export.TYPE}")

    addresses: Addresses = {**COUNTS, EXPORT: {"GET": export_month}}

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answering, _ = find(addresses, request.method, request.url.path)
        if request.url.path.removesuffix("/") != EXPORT:
            caller = authenticate(services.doorkeeper, request.headers.get("authorization"))
            if caller.role not in READERS:
                raise AccessRefused("Counts of the node are for its operator and its auditor.")
        answer = await answering(services, request)
        await answer(scope, receive, send)

    return Face((PREFIX,), application, methods_of(addresses), (EXPORT,))


def read_asked(parameters: Mapping[str, str], today: date) -> Asked:
    """Return what is asked for.

    Args:
        parameters: `first` and `last` (days, UTC), `by` (groupings, parted by commas); the last 90 days and
            all together where they are not there.
        today: UTC.

    Raises:
        InvalidSearch: naming what is allowed.
    """
    if strange := set(parameters) - {"first", "last", "by"}:
        raise InvalidSearch(f"Not known here: {sorted(strange)[0][:80]}. Ask by first, last and by.")
    last = _day(parameters.get("last"), today)
    first = _day(parameters.get("first"), last - timedelta(days=DAYS - 1))
    by = tuple(dict.fromkeys(filter(None, parameters.get("by", "").split(","))))
    if first > last:
        raise InvalidSearch("`first` is a day before `last`.")
    if wrong := [each for each in by if each not in GROUPINGS]:
        raise InvalidSearch(f"`by` takes {', '.join(GROUPINGS)}; not {wrong[0][:80]}.")
    return Asked(first, last, by)


def _day(text: str | None, usual: date) -> date:
    if text is None:
        return usual
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidSearch("A day is written as 2026-11-30.") from error
    if day.year < YEAR_MIN:
        raise InvalidSearch(f"A day of counts is one of the year {YEAR_MIN} or later.")
    return day


async def _prometheus(services: Services, _: Request) -> Response:
    today = services.clock().date()
    counted = await read_tallies(services.database, date.min, today)
    return Response(exposition(counted), media_type=MEDIA_TYPE)


async def _indicators(services: Services, request: Request) -> Response:
    asked = read_asked(request.query_params, services.clock().date())
    counted = await read_tallies(services.database, asked.first, asked.last)
    return JSONResponse(
        {
            "first": asked.first.isoformat(),
            "last": asked.last.isoformat(),
            "by": list(asked.by),
            "indicators": msgspec.to_builtins(work_out(counted, asked.by)),
            "faults": msgspec.to_builtins(rank_faults(counted)),
        }
    )


async def _measure_report(services: Services, request: Request) -> Response:
    now = services.clock()
    asked = read_asked(request.query_params, now.date())
    counted = await read_tallies(services.database, asked.first, asked.last)
    bundle = measure_bundle(
        work_out(counted, asked.by),
        asked.by,
        base=services.fhir_base,
        reporter=services.name,
        first=asked.first,
        last=asked.last,
        now=now,
    )
    return Response(write_json(bundle), media_type="application/fhir+json")


async def signed_month(services: Services, month: str) -> str:
    """Return what this node tells its federation of a month, signed with its key (JWS, compact).

    Raises:
        InvalidSearch: the month is not written as 2026-11, or is not over.
    """
    first = _day(f"{month}-01", date.min)
    if first >= services.clock().date().replace(day=1):
        raise InvalidSearch("A month is told when it is over: `month` is written as 2026-10.")
    following = (first + timedelta(days=31)).replace(day=1)
    counted = await read_tallies(services.database, first, following - timedelta(days=1))
    claims = export.month_claims(
        counted,
        node=services.node,
        country=services.country,
        month=month,
        issued=int(services.clock().timestamp()),
    )
    key = services.keys.federation
    return compact.sign(claims, key, kid=key_id(key.as_dict(private=False)), typ=export.TYPE)


COUNTS: Addresses = {
    PREFIX: {"GET": _prometheus},
    f"{PREFIX}/indicators": {"GET": _indicators},
    f"{PREFIX}/measure-report": {"GET": _measure_report},
}
