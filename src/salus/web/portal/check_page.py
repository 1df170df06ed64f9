"""`/check`: a file is judged as `salus check` does, shown with its lines, and forgotten.

Nothing of it is stored or logged: it is held in memory until the page is made. The reports are in the page
itself, as addresses that hold their content, so that there is nothing to fetch afterwards.
"""

from __future__ import annotations

import base64
import ipaddress
import time
from collections.abc import Sequence
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from salus.core.errors import MalformedContent, SalusError, Throttled
from salus.core.limits import Limits
from salus.standards.fhir.checking.excerpt import Excerpts
from salus.standards.fhir.checking.given import read_given
from salus.standards.fhir.checking.junit import junit
from salus.standards.fhir.checking.report import Signer, report_of, sign_report
from salus.standards.fhir.checking.sarif import sarif
from salus.standards.fhir.checking.sources import shipped_sources
from salus.standards.fhir.checking.verdict import Verdict, judge
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.profiles.brief import FAULTS_MAX, Brief
from salus.standards.fhir.profiles.shipped import shipped_book
from salus.standards.fhir.validation.issue import Issue
from salus.store.shares import Key, Shares
from salus.store.tallies import tallies_of_check
from salus.web.fhir.bodies import check_counts
from salus.web.portal.session import Sessions, visitor
from salus.web.portal.uploading import Upload, read_upload
from salus.web.portal.visit import Visit, problem
from salus.web.services import Application, Receive, Scope, Send

PATH = "/check"
FIELD = "file"
POOL = "checks"


class Row(msgspec.Struct, frozen=True):
    """One issue as it is shown."""

    severity: str
    rule: str
    line: int
    source: str
    expression: str
    message: str


class Download(msgspec.Struct, frozen=True):
    """A report in the page: its phrase, the name of its file, and the address that holds it."""

    phrase: str
    name: str
    address: str


class Desk:
    """Takes files, as many at a time and as much of each visitor's as the limits allow."""

    def __init__(self, limits: Limits) -> None:
        self._shares = Shares(limits.check_ms_per_minute_max / 1000, POOL)
        self._limits = limits
        self._waiting = 0

    async def judge(self, key: Key, upload: Upload) -> Verdict:
        """Return the verdict on a file.

        Raises:
            Throttled: the visitor had their share, or too many wait.
            TooLarge: the file has more parts than the node takes.
        """
        check_counts(upload.body, self._limits)
        if self._waiting >= self._limits.check_waiting_max:
            raise Throttled("Many files are being checked just now: try again in a minute.")
        self._waiting += 1
        try:
            return await self._shares.charge(key, len(upload.body), _judged, upload, self._limits)
        finally:
            self._waiting -= 1


def _judged(upload: Upload, limits: Limits) -> Verdict:
    given = read_given(upload.name, upload.body, limits)
    return judge(given, shipped_book(), (), limits, timer=time.perf_counter)


def door(sessions: Sessions) -> Application:
    """Return the page as an ASGI application, open to anyone; it changes nothing and needs no form token."""
    desk = Desk(sessions.services.limits)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        visit = Visit(sessions.services, sessions, request, visitor(sessions, request), {})
        try:
            answer = await _answer(visit, desk)
        except SalusError as error:
            answer = problem(visit, error)
        await answer(scope, receive, send)

    return application


async def _answer(visit: Visit, desk: Desk) -> Response:
    limits = visit.services.limits
    show = partial(visit.show, "check.html", visit.say("check-title"), most=_size(limits.check_bytes_max))
    if visit.request.method != "POST":
        return show(verdict=None, refused="")
    try:
        upload = await read_upload(visit.request, FIELD, bytes_max=limits.check_bytes_max)
    except MalformedContent:
        return show(verdict=None, refused=visit.say("check-choose"), status=400)
    verdict = await desk.judge(_key(visit), upload)
    _count(visit, verdict)
    return show(
        verdict=verdict,
        refused="",
        rows=_rows(verdict, upload.body),
        downloads=_downloads(visit, verdict),
        errors=verdict.count("error"),
        warnings=verdict.count("warning"),
        notes=verdict.count("information"),
    )


def _count(visit: Visit, verdict: Verdict) -> None:
    """Count the check without anything that names the file, who made it or who sent it."""
    rules = sorted({one.message_id for one in verdict.issues if one.severity == "error"})
    brief = Brief(verdict.category, next(iter(verdict.profiles), ""), tuple(rules[:FAULTS_MAX]), "")
    for tally in tallies_of_check("form", "", brief, {}, is_first=False):
        visit.services.tallies.count(tally, visit.services.clock(), verdict.milliseconds)


def _size(count: int) -> str:
    """Return a number of bytes for people, rounded down."""
    return f"{count // 2**20} MiB" if count >= 2**20 else f"{count // 2**10} KiB"


def _key(visit: Visit) -> Key:
    """Return who is charged: the person, or the address that the request came from."""
    if visit.visitor is not None:
        return visit.visitor.issuer, visit.visitor.subject
    client = visit.request.client
    return "address", network_of(client.host if client is not None else "")


def network_of(address: str) -> str:
    """Return an address, of IPv6 the network of one line (/64): who has one has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def _rows(verdict: Verdict, body: bytes) -> Sequence[Row]:
    excerpts = Excerpts(body)
    return [_row(one, verdict, excerpts) for one in verdict.issues]


def _row(issue: Issue, verdict: Verdict, excerpts: Excerpts) -> Row:
    line, column = verdict.place(issue)
    source = excerpts.at(line, column)
    return Row(issue.severity, issue.message_id, line, source, issue.expression, issue.message)


def _downloads(visit: Visit, verdict: Verdict) -> list[Download]:
    services = visit.services
    signer = Signer(services.node, services.name, services.base_url)
    report = report_of([verdict], shipped_book(), shipped_sources(), when=services.clock(), signer=signer)
    made = (
        ("check-json", "check.json", "application/fhir+json", write_json(verdict.outcome())),
        ("check-junit", "check.xml", "application/xml", junit([verdict])),
        ("check-sarif", "check.sarif", "application/sarif+json", sarif([verdict])),
        (
            "check-report",
            "check.jws",
            "application/jose",
            sign_report(report, services.keys.federation).encode(),
        ),
    )
    return [
        Download(phrase, name, f"data:{kind};base64,{base64.b64encode(body).decode()}")
        for phrase, name, kind, body in made
    ]
