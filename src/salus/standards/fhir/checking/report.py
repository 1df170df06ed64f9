"""A test report: by which rules a file was checked, when, and what was found; signed, others can rely on it.

The payload is JSON, the signature a JWS in compact form (RFC 7515) with a type of its own, so that nothing
else that the same key signs can be taken for a report, nor a report for anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

import msgspec
from joserfc.jwk import ECKey

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.fhir.checking.verdict import Verdict
from salus.standards.fhir.profiles.book import Book
from salus.standards.jose.keys import Jwk, select
from salus.standards.jose.signature import check_signature, sign_payload, take_apart

TYPE = "salus-test-report+jws"
FORM = "salus-test-report/1"
ALGORITHM = "ES384"
SIZE_MAX = 64 * 1024 * 1024
"""Longest report that is read, in characters."""


class Tool(msgspec.Struct, frozen=True):
    """What checked."""

    name: str
    version: str


class Source(msgspec.Struct, frozen=True):
    """Where rules come from: a package (name#version), or the tables that Salus ships; with the SHA-256."""

    name: str
    sha256: str


class Signer(msgspec.Struct, frozen=True):
    """The node that signed."""

    node: str
    name: str
    base_url: str


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A profile that a file was judged by; version and package are empty where it was not at hand."""

    url: str
    version: str = ""
    package: str = ""


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """One issue, with its line from 1 and its column, 0 for unknown."""

    severity: str
    code: str
    rule: str
    expression: str
    message: str
    line: int
    column: int = 0


class Checked(msgspec.Struct, frozen=True):
    """One file, or one line of NDJSON.

    Args:
        sha256: of the bytes that were judged.
        valid: whether there is no error; a file that cannot be read is not valid.
    """

    file: str
    bytes: int
    sha256: str
    readable: bool
    valid: bool
    category: str
    profiles: tuple[Profile, ...]
    errors: int
    warnings: int
    notes: int
    milliseconds: float
    issues: tuple[Found, ...]


class TestReport(msgspec.Struct, frozen=True):
    """The whole report.

    Args:
        when: of the check, in UTC.
        rules: every source of rules that was at hand.
        signer: None for a report that nobody signed.
    """

    form: str
    when: datetime
    tool: Tool
    fhir: str
    rules: tuple[Source, ...]
    signer: Signer | None
    files: tuple[Checked, ...]


def report_of(
    verdicts: Sequence[Verdict], book: Book, rules: Sequence[Source], *, when: datetime, signer: Signer | None
) -> TestReport:
    """Return the report on verdicts."""
    return TestReport(
        form=FORM,
        when=when.astimezone(UTC).replace(microsecond=0),
        tool=Tool("salus check", version("salus")),
        fhir="4.0.1",
        rules=tuple(rules),
        signer=signer,
        files=tuple(_checked(one, book) for one in verdicts),
    )


def _checked(verdict: Verdict, book: Book) -> Checked:
    errors = verdict.count("error")
    return Checked(
        file=verdict.file,
        bytes=verdict.bytes,
        sha256=verdict.sha256,
        readable=verdict.is_readable,
        valid=verdict.is_readable and not errors,
        category=verdict.category,
        profiles=tuple(_profile(one, book) for one in verdict.profiles),
        errors=errors,
        warnings=verdict.count("warning"),
        notes=verdict.count("information"),
        milliseconds=verdict.milliseconds,
        issues=tuple(
            Found(one.severity, one.code, one.message_id, one.expression, one.message, *verdict.place(one))
            for one in verdict.issues
        ),
    )


def _profile(canonical: str, book: Book) -> Profile:
    found = book.find(canonical)
    return Profile(canonical) if found is None else Profile(canonical, found.version, found.package)


def write_report(report: TestReport) -> bytes:
    """Return the report as JSON, unsigned."""
    return msgspec.json.format(msgspec.json.encode(report))


def sign_report(report: TestReport, key: ECKey) -> str:
    """Return the report signed with a node's key (P-384)."""
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": TYPE, "cty": "json"}
    return sign_payload(msgspec.json.encode(report), header, key)


def verify_report(token: str, keys: Sequence[Jwk]) -> TestReport:
    """Return a report that one of the keys has signed.

    Args:
        token: a compact JWS.
        keys: public keys of the node that it is to be from.

    Raises:
        NotAuthenticated: it is none, or its signature does not hold.
        MalformedContent: what is signed is no report of this form.
    """
    parts = take_apart(token.strip(), size_max=SIZE_MAX)
    if parts.header.get("typ") != TYPE:
        raise NotAuthenticated(f"what is signed is no test report: its typ is not {TYPE}")
    check_signature(parts, select(keys, parts.header.get("kid")), algorithms=frozenset({ALGORITHM}))
    return read_report(parts.payload)


def read_report(body: bytes) -> TestReport:
    """Return a report from its JSON.

    Raises:
        MalformedContent: it is none of this form.
    """
    try:
        report = msgspec.json.decode(body, type=TestReport)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedContent(f"This is no test report: {error}.") from error
    if report.form != FORM:
        raise MalformedContent(f"The report is of another form than {FORM}; use the version that wrote it.")
    return report
