"""Who a person is, is not theirs to write: a citizen changes no identity and no source (EHDS article 5)."""

import base64
import json

import pytest

NUMBER = {"system": "urn:salus:national-id:PT-NIF", "value": "123456789"}
ANA = {
    "resourceType": "Patient",
    "id": "a",
    "meta": {"source": "https://hospital.example"},
    "active": True,
    "identifier": [{"system": "urn:salus:national-id:PT-NIF", "value": "100000002"}],
    "name": [
        {"use": "official", "family": "Silva", "given": ["Ana"]},
        {"use": "nickname", "text": "Aninhas"},
    ],
    "gender": "female",
    "birthDate": "1980-05-06",
    "telecom": [{"system": "phone", "value": "1"}],
}
CHANGES = {
    "identifier": [NUMBER],
    "name": [{"use": "official", "family": "Costa", "given": ["Ana"]}],
    "gender": "male",
    "birthDate": "1990-05-06",
    "deceasedBoolean": True,
    "active": False,
    "meta": {"source": "https://other.example"},
    "link": [{"other": {"reference": "Patient/a"}, "type": "seealso"}],
}
JSON_PATCH = {"content-type": "application/json-patch+json"}


@pytest.fixture
async def ana(door):
    assert (await door.operator("PUT", "/Patient/a", ANA)).status_code == 201
    return door


def transaction(method, resource, url="Patient/a"):
    entry = {"resource": resource, "request": {"method": method, "url": url}}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}


@pytest.mark.parametrize("element", CHANGES)
async def test_a_citizen_does_not_change_who_they_are_by_any_write(ana, element):
    changed = {**ANA, element: CHANGES[element]}
    operation = {"op": "add", "path": f"/{element}", "value": CHANGES[element]}
    data = base64.b64encode(json.dumps([operation]).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    answers = [
        await ana.citizen("PUT", "/Patient/a", changed, patient="a"),
        await ana.citizen("PATCH", "/Patient/a", [operation], patient="a", headers=JSON_PATCH),
        await ana.citizen("POST", "", transaction("PUT", changed), patient="a"),
        await ana.citizen("POST", "", transaction("PATCH", binary), patient="a"),
        await ana.citizen("PUT", "/Patient?_id=a", changed, patient="a"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5, [answer.text for answer in answers]
    assert any(words in answers[0].text for words in ("ask the staff", "leave it as it is"))
    assert (await ana.operator("GET", "/Patient/a")).json()["meta"]["versionId"] == "1"


@pytest.mark.parametrize("element", ["identifier", "birthDate", "gender", "active", "name"])
async def test_nor_by_leaving_it_out(ana, element):
    less = {name: value for name, value in ANA.items() if name != element}
    assert (await ana.citizen("PUT", "/Patient/a", less, patient="a")).status_code == 403


async def test_an_extension_of_an_element_counts_as_the_element(ana):
    path = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
    more = {**ANA, "_birthDate": {"extension": [{"url": path, "valueDateTime": "1980-05-06T01:00:00Z"}]}}
    assert (await ana.citizen("PUT", "/Patient/a", more, patient="a")).status_code == 403


async def test_a_citizen_changes_how_they_are_reached_and_called(ana):
    names = [ANA["name"][0], {"use": "usual", "text": "Anita"}]
    read = (await ana.citizen("GET", "/Patient/a", patient="a")).json()
    changed = {**read, "name": names, "telecom": [{"system": "phone", "value": "2"}]}
    answer = await ana.citizen("PUT", "/Patient/a", changed, patient="a")
    assert answer.status_code == 200, answer.text
    without = {name: value for name, value in changed.items() if name != "meta"}
    answer = await ana.citizen("PUT", "/Patient/a", without | {"telecom": []} | {"photo": []}, patient="a")
    assert answer.status_code in (200, 422), answer.text
    stored = (await ana.operator("GET", "/Patient/a")).json()
    assert (stored["name"], stored["meta"]["source"]) == (names, "https://hospital.example")
    assert "security" not in stored["meta"]


async def test_a_citizen_keeps_the_link_that_staff_made(ana):
    linked = {**ANA, "link": [{"other": {"reference": "Patient/old"}, "type": "replaces"}]}
    assert (await ana.operator("PUT", "/Patient/a", linked)).status_code == 200
    moved = {**linked, "telecom": [{"system": "phone", "value": "3"}]}
    assert (await ana.citizen("PUT", "/Patient/a", moved, patient="a")).status_code == 200
    assert (await ana.citizen("PUT", "/Patient/a", ANA, patient="a")).status_code == 403


async def test_a_person_whom_a_citizen_registers_says_so_and_stays_so_until_staff_take_it_away(ana):
    made = await ana.citizen(
        "POST", "/Patient", {"resourceType": "Patient", "birthDate": "2026-01-01"}, patient="a"
    )
    assert made.status_code == 201, made.text
    assert [label["code"] for label in made.json()["meta"]["security"]] == ["PATAST"]
    own = made.json()["id"]
    drop = [{"op": "remove", "path": "/meta/security"}]
    path = f"/Patient/{own}"
    answer = await ana.citizen("PATCH", path, drop, patient=own, headers=JSON_PATCH)
    assert answer.status_code == 403, answer.text
    assert (await ana("PATCH", path, drop, headers=JSON_PATCH)).status_code == 200


def observation(**meta):
    return {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/a"}, **({"meta": meta} if meta else {}),
    }  # fmt: skip


async def test_what_a_citizen_writes_comes_from_them_and_no_correction_makes_it_anothers(ana):
    made = await ana.citizen(
        "POST", "/Observation", observation(source="https://hospital.example"), patient="a"
    )
    assert made.status_code == 201, made.text
    assert made.json()["meta"]["source"] == "urn:salus:citizen:a"
    path, identity = f"/Observation/{made.json()['id']}", {"id": made.json()["id"]}
    answer = await ana.citizen("PUT", path, observation(source="urn:x") | identity, patient="a")
    assert answer.status_code == 403, answer.text
    assert (await ana.citizen("PUT", path, observation() | identity, patient="a")).status_code == 200


@pytest.mark.parametrize("written", [b"RelatedPerson\\/rb", b"RelatedPerson\\u002frb", b"RelatedPerson/rb"])
async def test_anothers_related_person_is_known_however_the_reference_is_written(ana, written):
    assert (
        await ana.operator("PUT", "/Patient/b", {"resourceType": "Patient", "id": "b"})
    ).status_code == 201
    related = {"resourceType": "RelatedPerson", "id": "rb", "patient": {"reference": "Patient/b"}}
    assert (await ana.operator("PUT", "/RelatedPerson/rb", related)).status_code == 201
    body = json.dumps({**observation(), "performer": [{"reference": "@"}]}).encode().replace(b"@", written)
    answer = await ana.citizen("POST", "/Observation", body, patient="a")
    assert answer.status_code == 403, answer.text
