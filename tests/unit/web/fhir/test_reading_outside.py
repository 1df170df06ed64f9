"""What lies in no record is read by the patient whom alone it is about (EHDS article 3)."""

import pytest

BINARY = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "AAAA"}
OTHER = {"resourceType": "Binary", "id": "c", "contentType": "text/plain", "data": "AAAA"}


def document(patient, binary):
    return {
        "resourceType": "DocumentReference",
        "id": f"of-{patient}",
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": {"url": f"Binary/{binary}", "contentType": "text/plain"}}],
    }


PROVENANCE = {"resourceType": "Provenance", "id": "p", "target": [{"reference": "DocumentReference/of-ana"}],
              "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]}  # fmt: skip


@pytest.fixture
async def record(door):
    patients = [{"resourceType": "Patient", "id": name} for name in ("ana", "ben")]
    for resource in (*patients, BINARY, OTHER, document("ana", "b"), PROVENANCE):
        made = await door.operator("PUT", f"/{resource['resourceType']}/{resource['id']}", resource)
        assert made.status_code == 201, made.text


async def status(door, address, patient="ana", method="GET", body=None):
    return (await door.citizen(method, address, body, patient=patient)).status_code


@pytest.mark.clause("EHDS 3")
async def test_a_citizen_reads_the_attachment_of_their_document(door, leaves, record):
    answer = await door.citizen("GET", "/Binary/b", patient="ana")
    assert (answer.status_code, answer.content) == (200, b"\0\0\0")
    assert (await leaves())[-1][0] == "ana"
    assert await status(door, "/Binary/b/_history/1") == 200
    assert await status(door, "/Provenance/p") == 200


async def test_nobody_else_does_nor_is_what_is_nobodys_read(door, record):
    assert await status(door, "/Binary/b", "ben") == 404
    assert await status(door, "/Provenance/p", "ben") == 404
    assert await status(door, "/Binary/c") == 404


async def test_what_is_about_two_is_read_by_neither(door, record):
    shared = document("ben", "b")
    assert (await door.operator("PUT", f"/DocumentReference/{shared['id']}", shared)).status_code == 201
    assert [await status(door, "/Binary/b", patient) for patient in ("ana", "ben")] == [404, 404]


async def test_a_citizen_changes_nothing_of_it(door, record):
    refused = {403, 404, 405}
    assert await status(door, "/Binary/b", method="DELETE") in refused
    assert await status(door, "/Binary/b", method="PUT", body=BINARY | {"data": "BBBB"}) in refused
    assert (await door("GET", "/Binary/b")).content == b"\0\0\0"


async def test_naming_a_binary_does_not_open_it(door, record):
    """A citizen's own document may name any Binary; that makes it no less another's."""
    mine = {key: value for key, value in document("ana", "c").items() if key != "id"}
    made = await door.citizen("POST", "/DocumentReference", mine, patient="ana")
    assert made.status_code == 201, made.text
    assert await status(door, "/Binary/c") == 404
