"""Whom a resource names by an identifier alone is one of its patients (EHDS article 9)."""

import pytest

NUMBER = {"system": "urn:salus:national-id:LT", "value": "48505050000"}
ANA = {"resourceType": "Patient", "id": "ana", "identifier": [NUMBER]}
UNKNOWN = {"resourceType": "Patient", "identifier": [NUMBER], "name": [{"family": "Petraitė"}]}
STATED = {"resourceType": "Observation", "status": "final", "code": {"text": "HIV"}}
LOGICAL = {"identifier": NUMBER, "display": "Petraitė"}


def bundle(*entries):
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"urn:uuid:22222222-2222-4222-8222-22222222222{place}", "resource": each}
            for place, each in enumerate(entries)
        ],
    }


WAYS = {
    "logical reference": STATED | {"subject": LOGICAL},
    "logical performer": STATED | {"performer": [LOGICAL]},
    "contained Patient": STATED | {"contained": [UNKNOWN | {"id": "p"}], "subject": {"reference": "#p"}},
    "Patient in a Bundle": bundle(UNKNOWN),
    "reference in a Bundle": bundle(STATED | {"subject": LOGICAL}),
    "contained in a Bundle": bundle(
        STATED | {"contained": [UNKNOWN | {"id": "p"}], "subject": {"reference": "#p"}}
    ),
    "Person": {"resourceType": "Person", "identifier": [NUMBER]},
    "in another's record": STATED | {"subject": {"reference": "Patient/ben"}, "performer": [LOGICAL]},
}


async def put(door, resource):
    made = await door.operator("PUT", f"/{resource['resourceType']}/{resource['id']}", resource)
    assert made.status_code in (200, 201), made.text


async def told(door, leaves, address):
    """Return the patients whom a clinician's read leaves a leaf for."""
    before = len(await leaves())
    answer = await door("GET", address)
    assert answer.status_code == 200, answer.text
    return {leaf[0] for leaf in (await leaves())[before:]} - {"ben"}


@pytest.mark.clause("EHDS 9")
@pytest.mark.parametrize("late", [False, True], ids=["in order", "the Patient comes last"])
@pytest.mark.parametrize("resource", WAYS.values(), ids=WAYS)
async def test_whoever_has_the_identifier_is_told(door, leaves, resource, late):
    await put(door, {"resourceType": "Patient", "id": "ben"})
    if not late:
        await put(door, ANA)
    before = len(await leaves())
    made = await door("POST", f"/{resource['resourceType']}", resource)
    assert made.status_code == 201, made.text
    written = {leaf[0] for leaf in (await leaves())[before:]}
    address = f"/{resource['resourceType']}/{made.json()['id']}"
    if late:
        assert await told(door, leaves, address) <= {""}
        await put(door, ANA)
    else:
        assert "ana" in written
    assert await told(door, leaves, address) == {"ana"}
    assert await told(door, leaves, f"{address}/_history") == {"ana"}


async def test_an_attachment_of_such_a_document_is_the_patients(door, leaves):
    await put(door, ANA)
    await put(door, {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "AAAA"})
    attached = [{"attachment": {"url": "Binary/b", "contentType": "text/plain"}}]
    document = {"resourceType": "DocumentReference", "status": "current", "content": attached}
    made = await door("POST", "/DocumentReference", document | {"subject": LOGICAL})
    assert made.status_code == 201, made.text
    assert await told(door, leaves, "/Binary/b") == {"ana"}


async def test_what_names_it_later_is_the_patients_too(door, leaves):
    """A Provenance of such a result, written before the Patient is there."""
    await put(door, STATED | {"id": "o", "subject": LOGICAL})
    provenance = {"resourceType": "Provenance", "id": "p", "target": [{"reference": "Observation/o"}],
                  "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]}  # fmt: skip
    await put(door, provenance)
    await put(door, ANA)
    assert await told(door, leaves, "/Provenance/p") == {"ana"}


async def test_another_number_or_system_names_nobody(door, leaves):
    await put(door, ANA)
    for identifier in (NUMBER | {"value": "48505050001"}, NUMBER | {"system": "urn:x"}, {"value": "1"}):
        made = await door(
            "POST", "/Observation", STATED | {"subject": {"identifier": identifier, "display": "x"}}
        )
        assert made.status_code == 201, made.text
        assert await told(door, leaves, f"/Observation/{made.json()['id']}") == {""}


async def test_an_identifier_that_very_many_have_names_nobody(door, leaves):
    for number in range(21):
        await put(door, ANA | {"id": f"p{number}"})
    made = await door("POST", "/Observation", STATED | {"subject": LOGICAL})
    assert await told(door, leaves, f"/Observation/{made.json()['id']}") == {""}


@pytest.mark.clause("EHDS 9")
@pytest.mark.parametrize("name", ["subject:identifier", "patient:identifier"])
@pytest.mark.parametrize("rest", ["", "&code:text=zzzz"], ids=["found", "nothing found"])
async def test_a_search_by_a_patients_identifier_names_them(door, leaves, name, rest):
    await put(door, ANA)
    assert (await door("POST", "/Observation", STATED | {"subject": LOGICAL})).status_code == 201
    asked = f"/Observation?{name}={NUMBER['system']}|{NUMBER['value']}{rest}"
    assert await told(door, leaves, asked) == {"ana"}
