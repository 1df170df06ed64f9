"""What becomes of a published document (MHD ITI-105): stored, a repeat, a conflict, or no publication."""

import base64
import json

import pytest

from salus.web import mhd
from salus.web.fhir.face import face

WORDS = base64.b64encode(b"No abnormal findings.").decode()
ATTACHMENT = {"contentType": "text/plain", "data": WORDS}


@pytest.fixture
async def door(open_door):
    made = open_door(faces=(mhd.face, face))
    await made.operator("PUT", "/Patient/ana", {"resourceType": "Patient", "id": "ana"})
    return made


def report(number, **more):
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "masterIdentifier": {"system": "urn:m", "value": str(number)},
        "subject": {"reference": "Patient/ana"},
        "date": f"2026-0{number}-01T10:00:00Z",
        "content": [{"attachment": ATTACHMENT}],
    } | more


def anonymous(number, **more):
    return {key: value for key, value in report(number).items() if key != "masterIdentifier"} | more


async def published(door, described, **who):
    answer = await door("POST", "/DocumentReference", described, **who)
    return answer.status_code, answer.json()


FROM_ABROAD = {"node": "ee-1", "scopes": ("patient/*.cruds",), "patient": "ana"}


@pytest.mark.parametrize("who", [{}, FROM_ABROAD], ids=["at home", "from abroad"])
@pytest.mark.parametrize("make", [report, anonymous], ids=["numbered", "unnumbered"])
async def test_two_reports_of_the_same_words_are_two(door, make, who):
    (status, january), (again, june) = [await published(door, make(n), **who) for n in (1, 6)]
    assert (status, again) == (201, 201)
    assert (january["date"][:7], june["date"][:7]) == ("2026-01", "2026-06")
    for one in (january, june):
        kept = await door("GET", "/" + one["content"][0]["attachment"]["url"], **who)
        assert kept.content == base64.b64decode(WORDS)


@pytest.mark.parametrize("make", [report, anonymous], ids=["numbered", "unnumbered"])
async def test_a_repeat_changes_nothing(door, make):
    (_, first), (status, again) = [await published(door, make(1)) for _ in range(2)]
    assert (status, again) == (200, first)


async def test_the_same_master_identifier_with_other_content_is_refused_by_what_differs(door):
    _, first = await published(door, report(1))
    longer = base64.b64encode(b"No abnormal findings at all.").decode()
    bytes_too = [{"attachment": ATTACHMENT | {"data": longer}}]
    status, refused = await published(door, report(1, type={"text": "ECG"}, content=bytes_too))
    assert status == 409
    text = refused["issue"][0]["details"]["text"]
    assert f"DocumentReference/{first['id']}" in text
    assert "the bytes, type" in text
    elsewhere = await published(door, report(1, type={"text": "ECG"}, meta={"source": "urn:hospital:b"}))
    assert elsewhere[0] == 201


@pytest.mark.parametrize("make", [report, anonymous], ids=["numbered", "unnumbered"])
async def test_after_entered_in_error_the_right_one_is_stored(door, make):
    _, wrong = await published(door, make(1))
    withdrawn = wrong | {"status": "entered-in-error"}
    assert (await door("PUT", f"/DocumentReference/{wrong['id']}", withdrawn)).status_code == 200
    status, right = await published(door, make(1, type={"text": "ECG"}))
    assert (status, right["status"]) == (201, "current")
    status, refused = await published(door, make(1))
    assert status == 409
    assert "entered-in-error" in refused["issue"][0]["details"]["text"]


@pytest.mark.parametrize("who", [{}, FROM_ABROAD], ids=["at home", "from abroad"])
async def test_what_was_deleted_is_published_anew(door, who):
    _, first = await published(door, report(1), **who)
    assert (await door("DELETE", f"/DocumentReference/{first['id']}")).status_code == 204
    for number in (1, 6):
        status, again = await published(door, report(number), **who)
        assert (status, again["status"]) == (201, "current")
        kept = await door("GET", "/" + again["content"][0]["attachment"]["url"], **who)
        assert kept.content == base64.b64decode(WORDS)


async def test_the_june_report_replaces_the_one_of_january_of_the_same_words(door):
    _, january = await published(door, report(1))
    target = {"identifier": january["masterIdentifier"]}
    status, june = await published(door, report(6, relatesTo=[{"code": "replaces", "target": target}]))
    assert (status, june["status"]) == (201, "current")
    assert (await door("GET", f"/DocumentReference/{january['id']}")).json()["status"] == "superseded"


TWO = {"content": [{"attachment": ATTACHMENT}, {"attachment": {"contentType": "text/html", "data": WORDS}}]}


@pytest.mark.parametrize(
    "narrower",
    [
        TWO,
        {"subject": None},
        {"subject": {"reference": "Group/1"}},
        {"subject": {"identifier": {"system": "urn:p", "value": "1"}}},
    ],
    ids=["two contents", "no subject", "a group", "a subject by identifier"],
)
async def test_what_is_no_publication_of_one_document_is_created_as_it_came(door, narrower):
    sent = {key: value for key, value in report(1, **narrower).items() if value is not None}
    status, made = await published(door, sent)
    assert status == 201
    assert made["content"] == sent["content"]
    status, refused = await published(door, sent, **FROM_ABROAD)
    assert status in (403, 422), refused


async def test_what_was_replaced_does_not_become_current_by_an_update(door):
    _, january = await published(door, report(1))
    replaces = {"code": "replaces", "target": {"reference": f"DocumentReference/{january['id']}"}}
    await published(door, report(2, relatesTo=[replaces]))
    path = f"/DocumentReference/{january['id']}"
    replaced = (await door("GET", path)).json()
    assert replaced["status"] == "superseded"
    answer = await door("PUT", path, replaced | {"status": "current"})
    assert answer.status_code == 409
    assert "publish the document that is right" in answer.text
    described = await door("PUT", path, replaced | {"description": "January"})
    assert (described.status_code, described.json()["status"]) == (200, "superseded")


def letter_about(**patient):
    urn = "urn:uuid:00000000-0000-4000-8000-00000000000"
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "letter"},
        "subject": {"reference": f"{urn}2"},
        "date": "2026-11-12",
        "author": [{"display": "Dr"}],
        "title": "Letter",
        "section": [{"title": "Findings", "entry": [{"reference": f"{urn}3"}]}],
    }
    finding = {"resourceType": "Observation", "status": "final", "code": {"text": "of whom the letter is"}}
    finding |= {"subject": {"reference": f"{urn}2"}, "valueString": "x"}
    resources = [composition, {"resourceType": "Patient", **patient}, finding]
    entries = [{"fullUrl": f"{urn}{n}", "resource": each} for n, each in enumerate(resources, 1)]
    bundle = {"resourceType": "Bundle", "type": "document", "timestamp": "2026-11-12T10:00:00Z"}
    bundle |= {"identifier": {"system": "urn:d", "value": "1"}, "entry": entries}
    data = base64.b64encode(json.dumps(bundle).encode()).decode()
    return [{"attachment": {"contentType": "application/fhir+json", "data": data}}]


@pytest.mark.parametrize("who", [{}, FROM_ABROAD], ids=["at home", "from abroad"])
async def test_a_letter_about_somebody_else_is_not_kept(door, who):
    ana = {"resourceType": "Patient", "id": "ana", "birthDate": "1968-03-14"}
    await door.operator("PUT", "/Patient/ana", ana)
    status, told = await published(door, report(1, content=letter_about(birthDate="1901-01-01")), **who)
    assert status == 422
    assert "about another person" in told["issue"][0]["details"]["text"]
    assert (await door("GET", "/Observation?patient=ana")).json()["total"] == 0


@pytest.mark.parametrize(("patient", "extracted"), [({"birthDate": "1968-03-14"}, 1), ({}, 0)])
async def test_only_of_a_letter_that_is_surely_theirs_the_findings_are_the_persons_own(
    door, patient, extracted
):
    ana = {"resourceType": "Patient", "id": "ana", "birthDate": "1968-03-14"}
    await door.operator("PUT", "/Patient/ana", ana)
    status, kept = await published(door, report(1, content=letter_about(**patient)))
    assert (status, kept["status"]) == (201, "current")
    assert (await door("GET", "/Observation?patient=ana")).json()["total"] == extracted


async def test_a_document_that_cannot_be_checked_is_kept_and_answered_all_the_same(open_door):
    door = open_door(faces=(mhd.face, face))
    person = {"resourceType": "Patient", "id": "a"}
    assert (await door.operator("PUT", "/Patient/a", person)).status_code == 201
    odd = {"contentType": "application/json", "data": base64.b64encode(b'{"a": "document"').decode()}
    described = {
        "resourceType": "DocumentReference", "status": "current", "subject": {"reference": "Patient/a"},
        "content": [{"attachment": odd}],
    }  # fmt: skip
    assert (await door.operator("POST", "/DocumentReference", described)).status_code == 201
