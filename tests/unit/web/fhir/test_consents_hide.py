"""A citizen says by a FHIR Consent who may see what, and what is hidden is hidden in the store."""

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.conftest import NOW

from salus.core.access import Purpose, Role
from salus.store.turns import Turns
from salus.web import mhd
from salus.web.fhir.export import work_once
from salus.web.fhir.face import face

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "sharing.md").read_text()
SNOMED = "http://snomed.info/sct"
ASTHMA = {"coding": [{"system": SNOMED, "code": "195967001"}]}
PRIVACY = {"coding": [{"code": "patient-privacy"}]}
CATEGORY = [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}]
ELSEWHERE = {"organisation": "Parnu Hospital", "subject": "s-2"}
RECORD = [
    {"resourceType": "Patient", "id": "ana", "name": [{"family": "Silva"}]},
    {"resourceType": "Patient", "id": "ben", "name": [{"family": "Costa"}]},
    {"resourceType": "Organization", "id": "tartu", "name": "Tartu Hospital"},
    {"resourceType": "Practitioner", "id": "doctor", "identifier": [{"system": "urn:d", "value": "s-1"}]},
]


def about(kind, identity, patient="ana", **content):
    return {"resourceType": kind, "id": identity, "subject": {"reference": f"Patient/{patient}"}} | content


ITEMS = [
    about("Condition", "asthma", code=ASTHMA, recordedDate="2026-01-02"),
    about("Condition", "other", code={"text": "x"}, recordedDate="2026-01-02"),
    about("Observation", "flow", status="final", code={"text": "flow"},
          focus=[{"reference": "Condition/asthma"}]),
    about("DocumentReference", "letter", status="current", content=[{"attachment": {"url": "Bundle/b"}}],
          context={"related": [{"reference": "Condition/asthma"}]}),
]  # fmt: skip


def consent(*, patient="ana", status="active", **provision):
    return {
        "resourceType": "Consent",
        "status": status,
        "scope": PRIVACY,
        "category": CATEGORY,
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        "patient": {"reference": f"Patient/{patient}"},
        "provision": provision,
    }


def actor(reference):
    role = {"coding": [{"code": "IRCP"}]}
    return [
        {"role": role, "reference": {"reference": reference} if isinstance(reference, str) else reference}
    ]


@pytest.fixture
async def door(open_door):
    door = open_door(referential_integrity=True)
    for each in (*RECORD, *ITEMS):
        made = await door.operator("PUT", f"/{each['resourceType']}/{each['id']}", each)
        assert made.status_code == 201, made.text
    return door


async def says(door, resource):
    made = await door.citizen("POST", "/Consent", resource, patient="ana")
    assert made.status_code == 201, made.text
    return made.headers["location"].split("/_history/")[0].rpartition("/")[2]


async def seen(door, **who):
    """Return which of the items the asker sees, each read and found alike."""
    found = set()
    for each in ITEMS:
        kind, identity = each["resourceType"], each["id"]
        read = await door("GET", f"/{kind}/{identity}", **who)
        listed = await door("GET", f"/{kind}?patient=ana", **who)
        ids = {one["resource"]["id"] for one in listed.json().get("entry", ())}
        assert (read.status_code == 200) == (identity in ids), (kind, identity, read.status_code, ids)
        if read.status_code == 200:
            found.add(identity)
    return found


ALL = {each["id"] for each in ITEMS}
OF_ASTHMA = {"asthma", "flow", "letter"}


@pytest.mark.clause("EHDS 8")
async def test_a_denial_of_a_code_hides_it_with_what_states_it_and_withheld_whole_is_its_document(door):
    await says(door, consent(type="deny", code=[ASTHMA]))
    assert await seen(door) == ALL - OF_ASTHMA
    assert await seen(door, node="pt-1", scopes=("patient/*.rs",), patient="ana") == ALL - OF_ASTHMA
    mine = await door.citizen("GET", "/Condition/asthma", patient="ana")
    assert mine.status_code == 200


async def test_the_example_of_the_documentation_hides_from_the_hospital_that_it_names(door):
    await says(door, json.loads(PAGE.partition("```json")[2].partition("```")[0]))
    assert await seen(door) == ALL - OF_ASTHMA
    assert await seen(door, **ELSEWHERE) == ALL


@pytest.mark.parametrize(
    "denied",
    [
        {"actor": actor("Organization/tartu")},
        {"actor": actor("Practitioner/doctor")},
        {"actor": actor({"identifier": {"system": "urn:salus:organisation", "value": "Tartu Hospital"}})},
        {"actor": actor({"identifier": {"system": "urn:salus:person", "value": "s-1"}})},
    ],
)
async def test_a_denial_of_an_organisation_or_a_person_hides_from_them_alone(door, denied):
    await says(door, consent(type="deny", **denied))
    assert await seen(door) == set()
    assert await seen(door, **ELSEWHERE) == ALL
    who = await door("GET", "/Patient/ana")
    assert who.status_code == 200, "without the Patient nobody finds the record in an emergency"


async def test_a_denial_of_all_spares_whom_an_exception_permits_and_what(door):
    exception = {"type": "permit", "actor": actor("Organization/tartu"), "class": [{"code": "Condition"}]}
    await says(door, consent(type="deny", provision=[exception]))
    assert await seen(door) == {"asthma", "other"}
    assert await seen(door, **ELSEWHERE) == set()


@pytest.mark.parametrize(
    ("period", "hides"),
    [
        ({"end": "2020-01-01"}, False),
        ({"start": "2120-01-01"}, False),
        ({"start": "2020", "end": "2120"}, True),
    ],
)
async def test_a_denial_holds_from_its_begin_to_its_end(door, period, hides):
    await says(door, consent(type="deny", code=[ASTHMA], period=period))
    assert await seen(door) == (ALL - OF_ASTHMA if hides else ALL)


@pytest.mark.parametrize(
    "who", [{}, {"patient": "ana", "scopes": ("patient/*.cruds",)}], ids=["node-wide", "bound to the patient"]
)
async def test_what_is_written_later_is_judged_by_what_was_said(door, who):
    await says(door, consent(type="deny", code=[ASTHMA]))
    later = {name: value for name, value in ITEMS[0].items() if name != "id"}
    made = await door("POST", "/Condition", later, **who)
    assert made.status_code == 201, made.text
    identity = made.headers["location"].split("/_history/")[0].rpartition("/")[2]
    beside = who | {"subject": "s-2"}
    assert (await door("GET", f"/Condition/{identity}", **beside)).status_code == 404
    assert (await door("GET", f"/Condition/{identity}", subject="s-2")).status_code == 404
    assert (await door.citizen("GET", f"/Condition/{identity}", patient="ana")).status_code == 200
    harmless = await door("POST", "/Condition", later | {"code": {"text": "y"}})
    assert (await door("GET", f"/Condition/{harmless.headers['location'].split('/')[-3]}")).status_code == 200
    # What becomes of it later is hidden too.
    changed = ITEMS[1] | {"code": ASTHMA}
    assert (await door.operator("PUT", "/Condition/other", changed)).status_code == 200
    assert (await door("GET", "/Condition/other")).status_code == 404


async def ids(door, path, **who):
    return {each["resource"]["id"] for each in (await door("GET", path, **who)).json().get("entry", ())}


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize("rule", [True, False], ids=["hidden", "not hidden"])
@pytest.mark.parametrize(
    "who", [{}, {"patient": "ana", "scopes": ("patient/*.cruds",)}], ids=["node-wide", "bound to the patient"]
)
async def test_for_a_day_an_author_sees_what_they_wrote_whether_or_not_it_is_hidden(open_door, rule, who):
    hand = [NOW]
    door = open_door(clock=lambda: hand[0], referential_integrity=True)
    for each in (*RECORD, *ITEMS):
        await door.operator("PUT", f"/{each['resourceType']}/{each['id']}", each)
    if rule:
        await says(door, consent(type="deny", code=[ASTHMA]))
    later = {name: value for name, value in ITEMS[0].items() if name != "id"}
    made = await door("POST", "/Condition", later, **who)
    path = "/Condition/" + made.headers["location"].split("/_history/")[0].rpartition("/")[2]
    for _ in range(2):  # as it was made, and as its author changed it
        body = await door("GET", path, **who)
        assert body.status_code == 200
        assert path[11:] in await ids(door, "/Condition?patient=ana", **who)
        assert (await door("GET", f"{path}/_history/1", **who)).status_code == 200
        hand[0] += timedelta(hours=1)
        changed = body.json() | {"note": [{"text": f"seen again at {hand[0]}"}]}
        assert (await door("PUT", path, changed, **who)).status_code == 200
    # Whoever stands beside them sees what the citizen lets them see; so does the author, a day later.
    hidden = 404 if rule else 200
    assert (await door("GET", path, **who | {"subject": "s-2"})).status_code == hidden
    hand[0] += timedelta(hours=21)
    assert (await door("GET", path, **who)).status_code == 200
    hand[0] += timedelta(hours=2)
    assert (await door("GET", path, **who)).status_code == hidden


async def test_what_is_hidden_or_changed_since_is_hidden_from_its_author_too(door):
    later = {name: value for name, value in ITEMS[0].items() if name != "id"}
    made = await door("POST", "/Condition", later)
    path = "/Condition/" + made.headers["location"].split("/_history/")[0].rpartition("/")[2]
    await says(door, consent(type="deny", code=[ASTHMA]))
    assert (await door("GET", path)).status_code == 404
    made = await door("POST", "/Condition", later)
    path = "/Condition/" + made.headers["location"].split("/_history/")[0].rpartition("/")[2]
    assert (await door("GET", path)).status_code == 200
    body = (await door.operator("GET", path)).json() | {"note": [{"text": "by somebody else"}]}
    assert (await door.operator("PUT", path, body)).status_code == 200
    assert (await door("GET", path)).status_code == 404


async def test_a_consent_that_is_changed_or_deleted_shows_again_what_it_hid(door):
    identity = await says(door, consent(type="deny", code=[ASTHMA]))
    narrower = consent(
        type="deny", data=[{"meaning": "instance", "reference": {"reference": "Condition/other"}}]
    )
    changed = await door.citizen("PUT", f"/Consent/{identity}", narrower | {"id": identity}, patient="ana")
    assert changed.status_code == 200, changed.text
    assert await seen(door) == ALL - {"other"}
    ended = narrower | {"id": identity, "status": "inactive"}
    assert (await door.citizen("PUT", f"/Consent/{identity}", ended, patient="ana")).status_code == 200
    assert await seen(door) == ALL
    await says(door, consent(type="deny"))
    assert await seen(door) == set()
    again = await says(door, consent(type="deny", code=[ASTHMA]))
    gone = await door.citizen("DELETE", f"/Consent/{again}", patient="ana")
    assert gone.status_code in (200, 204)
    assert await seen(door) == set()


async def test_the_bytes_of_a_document_are_there_for_whom_its_description_is(open_door):
    door = open_door(faces=(mhd.face, face))
    for each in RECORD:
        await door.operator("PUT", f"/{each['resourceType']}/{each['id']}", each)
    data = base64.b64encode(b"a letter").decode()
    letter = {
        "resourceType": "DocumentReference",
        "meta": {"source": "urn:clinic"},
        "status": "current",
        "subject": {"reference": "Patient/ana"},
        "content": [{"attachment": {"contentType": "application/pdf", "data": data}}],
    }
    kept = await door("POST", "/DocumentReference", letter)
    assert kept.status_code == 201, kept.text
    described = await door("GET", "/DocumentReference?patient=ana")
    (entry,) = described.json()["entry"]
    address = "/" + entry["resource"]["content"][0]["attachment"]["url"].rpartition("/fhir/")[2]
    raw = {"headers": {"accept": "application/pdf"}}
    assert (await door("GET", address, **raw)).content == b"a letter"
    await says(door, consent(type="deny", actor=actor("Organization/tartu")))
    assert (await door("GET", address, **raw)).status_code == 404
    assert (await door("GET", address, **raw, **ELSEWHERE)).content == b"a letter"
    again = await door("POST", "/DocumentReference", letter | {"description": "again"}, **ELSEWHERE)
    assert again.status_code in (200, 201)


@pytest.mark.parametrize(
    ("who", "seen"), [({}, {"other"}), ({"organisation": "Parnu Hospital"}, {"asthma", "other"})]
)
async def test_an_export_holds_what_its_reader_may_see_when_it_is_read(door, who, seen):
    app = {"role": Role.APP, "purpose": Purpose.OPERATIONS, "scopes": ("system/*.rs",), **who}
    wish = {"headers": {"prefer": "respond-async"}}
    started = await door("GET", "/Patient/$export?_type=Condition", **wish, **app)
    assert await work_once(door.services)
    status = started.headers["content-location"].partition("/fhir")[2]
    (file,) = (await door("GET", status, **app)).json()["output"]
    await says(door, consent(type="deny", code=[ASTHMA], actor=actor("Organization/tartu")))
    answer = await door("GET", file["url"].partition("/fhir")[2], **app)
    assert {one for one in ("asthma", "other") if f'"{one}"' in answer.text} == seen
    count = {each["id"] for each in map(json.loads, answer.text.splitlines())}
    assert count == seen


async def test_nobody_says_it_for_another_and_no_professional_sees_what_was_said(door):
    other = await door.citizen("POST", "/Consent", consent(patient="ben", type="deny"), patient="ana")
    assert other.status_code == 403
    staff = await door("POST", "/Consent", consent(type="deny"))
    assert staff.status_code == 403
    identity = await says(door, consent(type="deny", code=[ASTHMA]))
    theirs = await door.citizen("PUT", f"/Consent/{identity}", consent(type="permit") | {"id": identity},
                                patient="ben")  # fmt: skip
    assert theirs.status_code in (403, 404)
    for path in (
        f"/Consent/{identity}",
        "/Consent?patient=ana",
        "/Patient/ana/$everything",
        "/Patient/ana/$summary",
    ):
        told = await door("GET", path)
        assert identity not in told.text
        assert "Consent/" not in told.text or told.status_code == 403
    program = {"role": Role.APP, "scopes": ("system/*.rs",), "purpose": Purpose.OPERATIONS}
    listed = await door("GET", "/Consent?patient=ana", **program)
    assert identity not in listed.text
    mine = await door.citizen("GET", f"/Consent/{identity}", patient="ana")
    assert mine.status_code == 200


async def test_a_citizen_has_one_consent_judged_at_a_time(door):
    citizen = door.make_caller(Role.CITIZEN, patient="ana", subject="ana")
    database = door.services.database
    database.restricting = Turns(1, 0.01, "changes or previews of restrictions")
    async with database.restricting.taken(citizen):
        waits = await door.citizen("POST", "/Consent", consent(type="deny"), patient="ana")
        assert waits.status_code == 429
        other = await door.citizen("POST", "/Consent", consent(patient="ben", type="deny"), patient="ben")
        assert other.status_code == 201
