"""Days outside every calendar, moments of no zone, control characters: refused, never a failure."""

import json

import pytest

from salus.core.access import Purpose, Role

ASKED = (
    ("auditor", "/metrics/indicators?first=9999-12-31&last=0001-01-01"),
    ("auditor", "/metrics/indicators?last=0001-01-01"),
    ("auditor", "/metrics/measure-report?last=0001-01-02"),
    ("auditor", "/metrics/indicators?by=%00"),
    ("auditor", "/metrics/indicators?first=9999-12-31"),
    ("", "/metrics/export?month=9999-12"),
    ("", "/metrics/export?month=0001-01"),
    ("", "/metrics/export?month=%00"),
    ("citizen", "/rights/peer-notices"),
    ("citizen", "/rights/peer-notices?all=true"),
    ("citizen", "/rights/peer-notices-received"),
    ("citizen", "/ledger/explain?request=%00"),
    ("citizen", "/notices/%00/read"),
    ("citizen", "/rights/links/%00"),
    ("auditor", "/incidents/1/notices/persons?language=%00"),
    ("desk", "/proxies?patient=%00"),
    ("operator", "/fhir/CodeSystem/$lookup?system=%00&code=x"),
    ("operator", "/fhir/Patient?name=%00"),
    ("operator", "/fhir/Patient/%00"),
)
SENT = (
    ("auditor", "/incidents", {"title": "\0", "subject": "x"}),
    ("auditor", "/incidents", {"title": "a\x1bb", "subject": "x"}),
    ("auditor", "/incidents", {"title": "t", "kind": "backup", "until": "0001-01-01T00:00:00+14:00"}),
    ("auditor", "/incidents", {"title": "t", "subject": "x", "since": "0001-01-01T00:00:00+23:00"}),
    ("auditor", "/incidents", {"title": "t", "subject": "x", "since": "0001-01-01T00:00:00Z"}),
    ("auditor", "/incidents", {"title": "t", "subject": "x", "until": "0001-01-01T00:00:00Z"}),
    ("auditor", "/incidents", {"title": "t", "subject": "x", "aware_at": "9999-12-31T23:59:59-23:00"}),
    ("auditor", "/incidents", {"title": "t", "subject": "x", "patients": ["a\0"]}),
    ("auditor", "/incidents/1/notes", {"text": "a\0b"}),
    ("auditor", "/incidents/1/close", {"text": "a\0b"}),
    ("auditor", "/incidents/1/release", {"texts": {"en\0": "b"}}),
    ("auditor", "/incidents/findings/1/dismiss", {"text": "a\0b"}),
    ("desk", "/proxies", {"patient": "own-1a", "holder": "other-2b", "name": "A", "kind": "parent",
                          "proof": "seen", "starts_at": "9999-12-31T23:59:59-23:00"}),
    ("clinician", "/treatment", {"patient": "own-1a", "reason": "a\0b"}),
    ("citizen", "/rights/rectifications", {"reference": "Observation/x", "text": "a\0b"}),
)  # fmt: skip


@pytest.fixture(scope="module")
def logins(target):
    auditor = target.token(Role.AUDITOR, Purpose.OPERATIONS)
    desk = target.token(Role.DESK, Purpose.PATIENT_REQUEST)
    return {**target.logins, "auditor": auditor, "desk": desk, "": None}


@pytest.mark.parametrize(("role", "path"), ASKED)
def test_a_hostile_address_is_refused(target, logins, role, path):
    answer = target.send("GET", path, base="", token=logins[role])
    assert 400 <= answer.status < 500, answer.text
    assert answer.status != 401


@pytest.mark.parametrize(("role", "path", "body"), SENT)
def test_a_hostile_body_is_refused(target, logins, role, path, body):
    answer = target.send("POST", path, json.dumps(body).encode(), base="", token=logins[role])
    assert 400 <= answer.status < 500, answer.text
    assert answer.status != 401


@pytest.mark.parametrize("path", ["indicators", "measure-report"])
def test_the_last_day_of_all_is_an_open_end(target, logins, path):
    assert (
        target.send("GET", f"/metrics/{path}?last=9999-12-31", base="", token=logins["auditor"]).status == 200
    )


def test_text_of_several_lines_is_taken(target, logins):
    body = json.dumps({"title": "First line\nsecond\tpart", "kind": "access", "subject": "x"}).encode()
    assert target.send("POST", "/incidents", body, base="", token=logins["auditor"]).status == 201


def test_a_form_with_a_control_character_is_refused(target):
    form = b"user=a%00b&password=c%1b"
    answer = target.send("POST", "/login", form, base="", content_type="application/x-www-form-urlencoded")
    assert 400 <= answer.status < 500
