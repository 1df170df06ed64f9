"""Publishing a document that is hidden is answered as publishing one that was never there (EHDS 8)."""

import base64

import pytest
from tests.unit.web.fhir.test_hidden_as_absent import told

from salus.core.access import Role
from salus.store.journal import open_journal
from salus.web import mhd
from salus.web.fhir.face import face
from salus.web.restrictions import set_restricted

FHIR_DOCUMENT = """{"resourceType":"Bundle","type":"document","timestamp":"%(when)s",
"identifier":{"system":"urn:letters","value":"1"},"entry":[
{"fullUrl":"urn:uuid:0d4ee5c4-3bb1-4a0c-8e3c-5d0ab1f0a7a0","resource":{"resourceType":"Composition","status":"final",
 "type":{"text":"letter"},"subject":{"reference":"urn:uuid:0d4ee5c4-3bb1-4a0c-8e3c-5d0ab1f0a7a1"},"date":"%(when)s",
 "title":"Letter","author":[{"display":"Dr A"}],
 "section":[{"title":"Problems","entry":[{"reference":"urn:uuid:0d4ee5c4-3bb1-4a0c-8e3c-5d0ab1f0a7a2"}]}]}},
{"fullUrl":"urn:uuid:0d4ee5c4-3bb1-4a0c-8e3c-5d0ab1f0a7a1","resource":{"resourceType":"Patient","name":[{"text":"A"}]}},
{"fullUrl":"urn:uuid:0d4ee5c4-3bb1-4a0c-8e3c-5d0ab1f0a7a2","resource":{"resourceType":"Condition","code":{"text":"x"},
 "subject":{"reference":"urn:uuid:0d4ee5c4-3bb1-4a0c-8e3c-5d0ab1f0a7a1"}}}]}"""


def published(content, media_type, **more):
    data = base64.b64encode(content.encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "meta": {"source": "urn:clinic"},
        "status": "current",
        "subject": {"reference": "Patient/ana"},
        "content": [{"attachment": {"contentType": media_type, "data": data}}],
        **more,
    }


PDF = published("a letter", "application/pdf")
LETTER = published(FHIR_DOCUMENT % {"when": "2026-01-01T00:00:00Z"}, "application/fhir+json")
LATER = published(FHIR_DOCUMENT % {"when": "2026-02-01T00:00:00Z"}, "application/fhir+json")


def replacing(target):
    related = [{"code": "replaces", "target": {"reference": f"DocumentReference/{target}"}}]
    return published("a new letter", "application/pdf", relatesTo=related)


CASES = {
    "the same bytes": (PDF, lambda _: PDF),
    "the same FHIR document": (LETTER, lambda _: LETTER),
    "a new version": (LETTER, lambda _: LATER),
    "a document in its place": (PDF, replacing),
}


@pytest.fixture
async def doors(open_door, absent):
    async with open_journal(absent) as journal:
        beside = {"database": absent, "journal": journal}
        made = [open_door(faces=(mhd.face, face), **more) for more in ({}, beside)]
        for door in made:
            await door.operator("PUT", "/Patient/ana", {"resourceType": "Patient", "id": "ana"})
        yield made


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize("node", ["", "ee-1"], ids=["at home", "from abroad"])
@pytest.mark.parametrize(("first", "again"), CASES.values(), ids=CASES)
async def test_the_answer_tells_nothing(doors, first, again, node):
    who = {"node": node, "scopes": ("patient/*.cruds",), "patient": "ana"} if node else {}
    taken = await doors[0]("POST", "/DocumentReference", first, **who)
    assert taken.status_code == 201, taken.text
    name = taken.json()["id"]
    citizen = doors[0].make_caller(Role.CITIZEN, patient="ana", subject="ana")
    await set_restricted(doors[0].services, citizen, "DocumentReference", name, hidden=True)
    hidden, never = [await door("POST", "/DocumentReference", again(name), **who) for door in doors]
    assert told(hidden) == told(never)
    assert never.status_code == 201
    assert (await doors[0]("GET", f"/DocumentReference/{name}", **who)).status_code == 404
    if again(name) == first:
        assert hidden.json()["id"] == name
