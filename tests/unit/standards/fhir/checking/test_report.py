"""A signed test report: what it says, and that nothing else can be taken for it."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime

import msgspec
import pytest
from joserfc.jwk import ECKey

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.core.limits import Limits
from salus.standards.fhir.checking.given import read_given
from salus.standards.fhir.checking.report import (
    TYPE,
    Signer,
    Source,
    read_report,
    report_of,
    sign_report,
    verify_report,
    write_report,
)
from salus.standards.fhir.checking.sarif import address_of
from salus.standards.fhir.checking.sources import shipped_sources
from salus.standards.fhir.checking.verdict import judge
from salus.standards.fhir.profiles.shipped import shipped_book
from salus.standards.jose.signature import sign_payload

BODY = b'{\n "resourceType": "Patient",\n "gender": "unheard-of"\n}'
WHEN = datetime(2026, 11, 30, 15, 0, 0, 123, tzinfo=UTC)
SIGNER = Signer("ee-1", "Estonia", "https://ee.example")
KEY = ECKey.generate_key("P-384", auto_kid=True)
KEYS = [KEY.as_dict(private=False) | {"use": "sig", "alg": "ES384"}]


def verdict_on(body, **more):
    return judge(read_given("a.json", body, Limits(), **more), shipped_book(), [], Limits(), timer=ticking())


def ticking():
    numbers = itertools.count()
    return lambda: next(numbers) / 1000


@pytest.fixture(scope="module")
def report():
    verdicts = [verdict_on(BODY), verdict_on(b"{\n,")]
    return report_of(verdicts, shipped_book(), [Source("guide#1", "00")], when=WHEN, signer=SIGNER)


def test_it_says_what_was_checked_by_which_rules_and_when(report):
    first, second = report.files
    assert (report.when, report.rules) == (WHEN.replace(microsecond=0), (Source("guide#1", "00"),))
    assert (first.sha256, first.bytes) == (hashlib.sha256(BODY).hexdigest(), len(BODY))
    assert (first.valid, first.readable, first.errors) == (False, True, 1)
    assert first.milliseconds == 1.0
    issue = first.issues[0]
    assert (issue.rule, issue.expression, issue.line, issue.column) == (
        "binding-required",
        "Patient.gender",
        3,
        2,
    )
    assert (second.readable, second.issues[0].line) == (False, 2)


def test_who_has_the_key_can_verify_it(report):
    assert verify_report(sign_report(report, KEY) + "\n", KEYS) == report
    assert read_report(write_report(report)) == report


def other_payload(report):
    return sign_payload(msgspec.json.encode(report), {"alg": "ES384", "kid": KEY.kid, "typ": "JWT"}, KEY)


def other_content(report):
    return sign_payload(b'{"sub": "x"}', {"alg": "ES384", "kid": KEY.kid, "typ": TYPE}, KEY)


def other_form(report):
    return sign_report(msgspec.structs.replace(report, form="salus-test-report/9"), KEY)


def other_key(report):
    return sign_report(report, ECKey.generate_key("P-384", {"kid": KEY.kid}))


def changed(report):
    header, payload, signature = sign_report(report, KEY).split(".")
    return f"{header}.{payload[:-6]}AAAAAA.{signature}"


@pytest.mark.parametrize(
    ("forge", "error"),
    [
        (other_payload, NotAuthenticated),
        (other_content, MalformedContent),
        (other_form, MalformedContent),
        (other_key, NotAuthenticated),
        (changed, NotAuthenticated),
        (lambda report: write_report(report).decode(), NotAuthenticated),
    ],
)
def test_nothing_else_is_taken_for_one(report, forge, error):
    with pytest.raises(error):
        verify_report(forge(report), KEYS)


def test_a_line_of_ndjson_is_told_by_its_number_in_the_file():
    found = verdict_on(b'{"resourceType": "Patient", "gender": "x"}', line=7)
    assert found.place(found.issues[0]) == (7, 29)
    assert found.outcome()["issue"][0]["diagnostics"] == "line 7, column 29"


@pytest.mark.parametrize(
    ("file", "address"),
    [("a b.json", "a%20b.json"), ("x/a.ndjson:12", "x/a.ndjson"), ("a.ndjson.gz:3", "a.ndjson.gz")],
)
def test_addresses_of_files_for_editors(file, address):
    assert address_of(file) == address


def test_the_shipped_rules_have_hashes():
    assert [len(one.sha256) for one in shipped_sources()] == [64, 64]
