"""Whatever way a citizen hides something, a professional is answered as if it had never been (EHDS 8).

Two citizens have the same record; one hides a part, of the other that part was never stored. Every request is
answered alike: status, headers, body, but for ids, cursors and the time of the day.
"""

import json
import re

import pytest

from salus.core.access import Purpose, Role

ASTHMA = {"coding": [{"system": "http://snomed.info/sct", "code": "195967001"}]}
DIFFER_ANYHOW = re.compile(
    r"(?<=_cursor=)[^&\"]+|[a-z2-7]{26}|[0-9a-f]{20}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)|\w{3}, \d\d \w{3} \d{4} [0-9:]{8} GMT"
)


def about(kind, identity, **content):
    return {"resourceType": kind, "id": "{p}" + identity, "subject": {"reference": "Patient/{p}"}} | content


STAYS = [
    {"resourceType": "Patient", "id": "{p}", "name": [{"family": "Silva"}], "birthDate": "1970-01-01"},
    about("Encounter", "-visit", status="finished", **{"class": {"code": "AMB"}}),
    about("Condition", "-other", code={"text": "x"}, recordedDate="2026-01-02"),
    about("Observation", "-other", status="final", code={"text": "x"}, effectiveDateTime="2026-01-02"),
]
GOES = [
    about(
        "Condition", "-x", code=ASTHMA, recordedDate="2020-01-02",
        identifier=[{"system": "urn:x", "value": "{p}"}], encounter={"reference": "Encounter/{p}-visit"},
    ),
    about("Observation", "-x", status="final", code={"text": "flow"},
          focus=[{"reference": "Condition/{p}-x"}]),
    about("DiagnosticReport", "-x", status="final", code={"text": "x"},
          result=[{"reference": "Observation/{p}-x"}]),
    about("DocumentReference", "-x", status="current", content=[{"attachment": {"url": "Binary/{p}-x"}}],
          context={"related": [{"reference": "Condition/{p}-x"}]}),
    {"resourceType": "Binary", "id": "{p}-x", "contentType": "text/plain", "data": "AAAA",
     "securityContext": {"reference": "DocumentReference/{p}-x"}},
    {"resourceType": "Provenance", "id": "{p}-x", "target": [{"reference": "Condition/{p}-x"}],
     "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]},
]  # fmt: skip
WAYS = {
    "a restriction": None,
    "a code": {"code": [ASTHMA]},
    "the time of the data": {"dataPeriod": {"end": "2021-01-01"}, "class": [{"code": "Condition"}]},
    "a person": {"code": [ASTHMA], "actor": "urn:salus:person|s"},
    "a purpose": {"code": [ASTHMA], "purpose": [{"code": "TREAT"}]},
}
READS = [
    *(f"/{each['resourceType']}/{{p}}-x" for each in GOES),
    "/Condition/{p}-x/_history", "/Condition/{p}-x/_history/1", "/Condition?_id={p}-x",
    "/Condition?identifier=urn:x|{p}", "/Condition?patient={p}", "/Condition?patient={p}&_summary=count",
    "/Condition?patient={p}&_total=accurate&_count=1", "/Condition?patient={p}&_sort=-recorded-date&_count=1",
    "/Encounter?patient={p}&_revinclude=Condition:encounter", "/DiagnosticReport?patient={p}&_include=*",
    "/Encounter?patient={p}&_has:Condition:encounter:code=195967001",
    "/Patient?_id={p}&_has:Condition:patient:code=195967001",
    "/Observation?patient={p}&focus:Condition.code=195967001", "/DocumentReference?patient={p}",
    "/Provenance?target=Condition/{p}-x", "/Patient/{p}/Condition", "/Patient/{p}/$everything",
    "/Patient/{p}/$summary", "/Consent?patient={p}",
]  # fmt: skip
MATCH = {"If-Match": 'W/"1"'}
PATCH = json.dumps([{"op": "add", "path": "/note", "value": [{"text": "x"}]}])
WRITES = [
    ("PUT", "/Condition/{p}-x", json.dumps(GOES[0]), MATCH),
    ("PUT", "/Condition/{p}-x", json.dumps(GOES[0]), {"If-None-Match": "*"}),
    ("PATCH", "/Condition/{p}-x", PATCH, {"Content-Type": "application/json-patch+json"}),
    ("DELETE", "/Condition/{p}-x", None, MATCH),
    ("DELETE", "/Condition?identifier=urn:x|{p}", None, {}),
    ("DELETE", "/Encounter/{p}-visit", None, {}),
    ("POST", "/Observation/_search?patient={p}", "", {"Content-Type": "application/x-www-form-urlencoded"}),
]


def told(answer, patient):
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    text = json.dumps(sorted(headers.items())) + answer.body.decode()
    return answer.status, DIFFER_ANYHOW.sub("?", text.replace(patient, "{p}"))


def fill(value, patient):
    return json.dumps(value).replace("{p}", patient).encode()


def store(target, patient, resources):
    for each in resources:
        identity = each["id"].replace("{p}", patient)
        made = target.send(
            "PUT", f"/{each['resourceType']}/{identity}", fill(each, patient), token=target.logins["operator"]
        )
        assert made.status == 201, made.text


def hide(target, patient, provision):
    token = target.token(Role.CITIZEN, Purpose.PATIENT_REQUEST, patient=patient)
    if provision is None:
        done = target.send("PUT", f"/Condition/{patient}-x", base="/restrictions", token=token)
        assert done.status == 200, done.text
        return
    if "actor" in provision:
        system, _, value = provision["actor"].partition("|")
        reference = {"identifier": {"system": system, "value": value}}
        provision = provision | {"actor": [{"role": {"text": "who"}, "reference": reference}]}
    consent = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        "patient": {"reference": "Patient/{p}"},
        "provision": {"type": "deny", **provision},
    }
    said = target.send("POST", "/Consent", fill(consent, patient), token=token)
    assert said.status == 201, said.text


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize("way", WAYS)
def test_what_is_hidden_is_answered_as_what_never_was(target, way):
    number = list(WAYS).index(way)
    hidden, absent = f"hidden-{number}a", f"absent-{number}a"
    store(target, hidden, [*STAYS, *GOES])
    store(target, absent, STAYS)
    token = target.token(Role.CLINICIAN, Purpose.TREATMENT)
    before = [target.send("GET", f"/{each['resourceType']}/{hidden}-x", token=token).status for each in GOES]
    assert before == [200] * len(GOES), "what is to be hidden is seen at first"
    hide(target, hidden, WAYS[way])
    requests = [("GET", path, None, {}) for path in READS] + WRITES
    differ = []
    for method, path, body, headers in requests:
        answers = [
            told(
                target.send(
                    method,
                    path.replace("{p}", patient),
                    None if body is None else body.replace("{p}", patient).encode(),
                    token=token,
                    headers=headers,
                    content_type=None if "Content-Type" in headers else "application/fhir+json",
                ),
                patient,
            )
            for patient in (hidden, absent)
        ]
        if answers[0] != answers[1]:
            differ.append((method, path, *answers))
    assert differ == []
    kept = target.send("GET", f"/Condition/{hidden}-x", token=target.logins["operator"])
    assert kept.headers["etag"] == 'W/"1"'
