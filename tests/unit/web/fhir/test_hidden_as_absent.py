"""What a citizen restricts answers a professional byte for byte as what was never there (EHDS 8).

One patient's record is stored twice, on two nodes: on the one the citizen restricts a part of it, on the
other that part was never stored. Every request is answered alike by both.
"""

import re

import pytest

from salus.core.access import Purpose, Role
from salus.store.journal import open_journal
from salus.web.restrictions import set_restricted

SNOMED = "http://snomed.info/sct"


def about_ana(kind, identity, **content):
    return {"resourceType": kind, "id": identity, "subject": {"reference": "Patient/ana"}} | content


def condition(identity, code, **more):
    coding = {"coding": [{"system": SNOMED, "code": code}]}
    return about_ana("Condition", identity, code=coding, recordedDate="2026-01-02", **more)


STAYS = [
    {"resourceType": "Patient", "id": "ana", "name": [{"family": "Silva"}], "birthDate": "1970-01-01"},
    {"resourceType": "Patient", "id": "ben", "name": [{"family": "Costa"}], "birthDate": "1971-01-01"},
    condition("c-seen", "38341003"),
    about_ana("Encounter", "e-seen", status="finished", **{"class": {"code": "AMB"}}),
    about_ana("Observation", "o-seen", status="final", code={"text": "weight"}),
]
HIDDEN = condition(
    "secret", "195967001",
    identifier=[{"system": "urn:x", "value": "1"}], encounter={"reference": "Encounter/e-seen"},
)  # fmt: skip
GOES_TOO = [
    about_ana("Observation", "secret", status="final", code={"text": "peak flow"},
              focus=[{"reference": "Condition/secret"}]),
    about_ana("DiagnosticReport", "secret", status="final", code={"text": "x"},
              result=[{"reference": "Observation/secret"}, {"reference": "Observation/o-seen"}]),
    about_ana("DocumentReference", "secret", status="current",
              content=[{"attachment": {"url": "Bundle/secret"}}, {"attachment": {"url": "Binary/secret"}}]),
    {"resourceType": "Binary", "id": "secret", "contentType": "text/plain", "data": "AAAA"},
    {"resourceType": "Provenance", "id": "secret", "target": [{"reference": "Condition/secret"}],
     "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]},
    {"resourceType": "Bundle", "id": "secret", "type": "collection",
     "entry": [{"fullUrl": "urn:uuid:0d4ee5c4-3bb1-4a0c-8e3c-5d0ab1f0a7a1", "resource": HIDDEN}]},
]  # fmt: skip
MATCH = {"if-match": 'W/"1"'}
PATCH = {"headers": {"content-type": "application/json-patch+json"}}
CHANGE = [{"op": "add", "path": "/note", "value": [{"text": "x"}]}]
OTHER_KINDS = ("Observation", "DiagnosticReport", "DocumentReference", "Provenance", "Bundle", "Binary")
NEW = {name: value for name, value in HIDDEN.items() if name != "id"}
FOUND_BY = {"if-none-exist": "identifier=urn:x|1"}


def transaction(*entries):
    listed = []
    for method, url, resource, more in entries:
        body = {} if resource is None else {"resource": resource}
        listed.append({"request": {"method": method, "url": url, **more}, **body})
    return {"resourceType": "Bundle", "type": "transaction", "entry": listed}


REQUESTS = {
    "read": ("GET", "/Condition/secret"),
    "read if known": ("GET", "/Condition/secret", None, {"headers": {"if-none-match": 'W/"1"'}}),
    **{f"read {kind}": ("GET", f"/{kind}/secret") for kind in OTHER_KINDS},
    "version": ("GET", "/Condition/secret/_history/1"),
    "history": ("GET", "/Condition/secret/_history"),
    "history of another": ("GET", "/Encounter/e-seen/_history"),
    "search": ("GET", "/Condition?patient=ana"),
    "search by id": ("GET", "/Condition?_id=secret"),
    "search by identifier": ("GET", "/Condition?identifier=urn:x|1"),
    "total": ("GET", "/Condition?patient=ana&_total=accurate&_summary=count"),
    "estimate": ("GET", "/Condition?_total=estimate&_count=1"),
    "sort": ("GET", "/Condition?_sort=-recorded-date&_count=1"),
    "sort by code": ("GET", "/Condition?patient=ana&_sort=code"),
    "has": ("GET", "/Patient?_has:Condition:patient:code=195967001"),
    "has by way of": ("GET", "/Encounter?_has:Condition:encounter:code=195967001"),
    "chain": ("GET", "/Observation?focus:Condition.code=195967001"),
    "chain to the visit": ("GET", "/Condition?encounter.status=finished"),
    "include": ("GET", "/DiagnosticReport?patient=ana&_include=DiagnosticReport:result"),
    "revinclude": ("GET", "/Encounter?_id=e-seen&_revinclude=Condition:encounter"),
    "revinclude by patient": ("GET", "/Patient?_id=ana&_revinclude=Condition:patient"),
    "reports of a result": ("GET", "/DiagnosticReport?result=Observation/o-seen"),
    "provenance": ("GET", "/Provenance?target=Condition/secret"),
    "documents": ("GET", "/DocumentReference?patient=ana"),
    "compartment": ("GET", "/Patient/ana/Condition"),
    "everything": ("GET", "/Patient/ana/$everything"),
    "summary": ("GET", "/Patient/ana/$summary"),
    "put": ("PUT", "/Condition/secret", HIDDEN),
    "put if match": ("PUT", "/Condition/secret", HIDDEN, {"headers": MATCH}),
    "put if no match": ("PUT", "/Condition/secret", HIDDEN, {"headers": {"if-none-match": "*"}}),
    "put a document": ("PUT", "/DocumentReference/secret", GOES_TOO[2]),
    "put by condition": ("PUT", "/Condition?identifier=urn:x|1", HIDDEN),
    "put by condition, without an id": ("PUT", "/Condition?identifier=urn:x|1", NEW),
    "patch": ("PATCH", "/Condition/secret", CHANGE, PATCH),
    "patch if match": ("PATCH", "/Condition/secret", CHANGE, {"headers": PATCH["headers"] | MATCH}),
    "patch by condition": ("PATCH", "/Condition?identifier=urn:x|1", CHANGE, PATCH),
    "delete": ("DELETE", "/Condition/secret"),
    "delete if match": ("DELETE", "/Condition/secret", None, {"headers": MATCH}),
    "delete by condition": ("DELETE", "/Condition?identifier=urn:x|1"),
    "delete what it refers to": ("DELETE", "/Encounter/e-seen"),
    "create by condition": ("POST", "/Condition", NEW, {"headers": FOUND_BY}),
    "refer to it": ("POST", "/Observation", {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/ana"}, "focus": [{"reference": "Condition/secret"}],
    }),
    "refer to it by condition": ("POST", "", transaction(
        ("POST", "Observation", {
            "resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "focus": [{"reference": "Condition?identifier=urn:x|1"}],
        }, {}),
    )),
    "in a transaction": ("POST", "", transaction(
        ("PUT", "Condition/secret", HIDDEN, {}), ("PUT", "Condition/c-seen", STAYS[2], {}),
    )),
    "deleted in a transaction": ("POST", "", transaction(("DELETE", "Condition/secret", None, {}))),
    "in a batch": ("POST", "", transaction(
        ("GET", "Condition/secret", None, {}), ("DELETE", "Condition/secret", None, {"ifMatch": 'W/"1"'}),
    ) | {"type": "batch"}),
    "validate": ("POST", "/Condition/secret/$validate?mode=update", HIDDEN),
}  # fmt: skip
WHO = {
    "a clinician": {},
    "a clinician from abroad": {"node": "ee-1", "scopes": ("patient/*.cruds",), "patient": "ana"},
    "a program": {"role": Role.APP, "purpose": Purpose.OPERATIONS, "scopes": ("system/*.cruds",)},
}


DIFFER_ANYHOW = re.compile(
    rb"[a-z2-7]{26}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{20}|(?<=_cursor=)[^&\"]+"
    rb"|\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)|\w{3}, \d\d \w{3} \d{4} [0-9:]{8} GMT|\d\d \w+ \d{4}"
)
"""Ids that the node gives, cursors, and the time now."""


def told(answer):
    """Return all that an answer tells: status, headers, body."""
    headers = sorted(answer.headers.raw)
    length = [(name, value) for name, value in headers if name != b"content-length"]
    return (
        answer.status_code,
        DIFFER_ANYHOW.sub(b"?", repr(length).encode()),
        DIFFER_ANYHOW.sub(b"?", answer.content),
    )


async def ask(door, who, method, path, body=None, more=None):
    return told(await door(method, path, body, **(more or {}), **who))


CONSENT = {
    "resourceType": "Consent",
    "status": "active",
    "scope": {"coding": [{"code": "patient-privacy"}]},
    "category": [{"coding": [{"code": "59284-0"}]}],
    "policyRule": {"coding": [{"code": "OPTIN"}]},
    "patient": {"reference": "Patient/ana"},
    "provision": {
        "type": "deny",
        "data": [{"meaning": "instance", "reference": {"reference": "Condition/secret"}}],
    },
}


@pytest.fixture(params=["restriction", "consent"])
async def nodes(open_door, absent, request):
    """Yield two nodes: one where a part of the record is hidden, one where it never was stored."""
    async with open_journal(absent) as journal:
        beside = {"database": absent, "journal": journal}
        doors = [open_door(referential_integrity=True, **more) for more in ({}, beside)]
        for door, resources in zip(doors, ((*STAYS, HIDDEN, *GOES_TOO), STAYS), strict=True):
            for resource in resources:
                made = await door.operator("PUT", f"/{resource['resourceType']}/{resource['id']}", resource)
                assert made.status_code == 201, made.text
        citizen = doors[0].make_caller(Role.CITIZEN, patient="ana", subject="ana")
        if request.param == "consent":
            said = await doors[0].citizen("POST", "/Consent", CONSENT, patient="ana")
            assert said.status_code == 201, said.text
        else:
            count = await set_restricted(doors[0].services, citizen, "Condition", "secret", hidden=True)
            assert count == 1 + len(GOES_TOO)
        yield doors


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize("who", WHO.values(), ids=WHO)
async def test_every_answer_is_that_of_what_is_absent(nodes, who):
    differ = {}
    for name, request in REQUESTS.items():
        hidden, absent = [await ask(door, who, *request) for door in nodes]
        if hidden != absent:
            differ[name] = hidden, absent
    assert differ == {}
    for resource in (HIDDEN, *GOES_TOO):
        kept = await nodes[0].operator("GET", f"/{resource['resourceType']}/{resource['id']}")
        assert kept.headers["etag"] == 'W/"1"', "a professional's write changed what is hidden"


@pytest.mark.parametrize("nodes", ["restriction"], indirect=True)
async def test_the_table_asks_what_would_tell(nodes):
    """Most of its requests differ where nothing is restricted."""
    citizen = nodes[0].make_caller(Role.CITIZEN, patient="ana", subject="ana")
    await set_restricted(nodes[0].services, citizen, "Condition", "secret", hidden=False)
    differ = [
        name
        for name, request in REQUESTS.items()
        if request[0] == "GET" and len({await ask(door, {}, *request) for door in nodes}) > 1
    ]
    quiet = {"history of another", "sort"}
    assert {name for name, request in REQUESTS.items() if request[0] == "GET"} - set(differ) <= quiet
