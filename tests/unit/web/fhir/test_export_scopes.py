"""An app exports the types that its scopes name; the rest is named, and refused when asked for."""

import pytest

from salus.core.access import Purpose, Role
from salus.store import exports
from salus.store.exports import File
from salus.web.fhir.export import LEFT_OUT, work_once

EXPORT = {"prefer": "respond-async"}
ADDRESS = "https://node.test/fhir"


def app(*scopes, patient=None):
    return {"role": Role.APP, "purpose": Purpose.OPERATIONS, "scopes": scopes, "patient": patient}


OBSERVATIONS = app("system/Observation.rs")
OWN = app("patient/Observation.rs", patient="ana")


@pytest.fixture
async def ward(door):
    for name in ("ana", "rui"):
        assert await door.operator("PUT", f"/Patient/{name}", {"resourceType": "Patient", "id": name})
        observation = {
            "resourceType": "Observation",
            "id": f"o-{name}",
            "status": "final",
            "code": {"text": "Pulse"},
            "subject": {"reference": f"Patient/{name}"},
        }
        assert (await door.operator("PUT", f"/Observation/o-{name}", observation)).status_code == 201
    return door


async def started(door, who, path="/$export"):
    answer = await door("GET", path, headers=EXPORT, **who)
    assert answer.status_code == 202, answer.text
    return answer.headers["content-location"].removeprefix(ADDRESS)


async def manifest_of(door, who, path="/$export"):
    status = await started(door, who, path)
    assert await work_once(door.services)
    answer = await door("GET", status, **who)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def counts(door, who, manifest):
    """Return how many resources of each type the files hold."""
    found = {}
    for file in manifest["output"]:
        content = await door("GET", file["url"].removeprefix(ADDRESS), **who)
        found[file["type"]] = len(content.text.splitlines())
    return found


@pytest.mark.parametrize(("who", "count"), [(OBSERVATIONS, 2), (OWN, 1)])
async def test_an_export_holds_the_types_of_the_scopes_and_says_what_it_leaves_out(ward, who, count):
    manifest = await manifest_of(ward, who)
    assert await counts(ward, who, manifest) == {"Observation": count}
    left_out = manifest["extension"][LEFT_OUT]["types"]
    assert "Patient" in left_out
    assert "Observation" not in left_out
    path = manifest["output"][0]["url"].removeprefix(ADDRESS)
    lines = (await ward("GET", path, **who)).text.splitlines()
    assert len(lines) == count


async def test_a_type_beyond_the_scopes_is_refused_by_name_and_written_down(ward, leaves):
    answer = await ward("GET", "/$export?_type=Observation,Condition", headers=EXPORT, **OBSERVATIONS)
    assert answer.status_code == 403
    assert "Condition" in answer.json()["issue"][0]["details"]["text"]
    assert ("", "export", "$export", 0, "refused") in await leaves()
    manifest = await manifest_of(ward, OBSERVATIONS, "/$export?_type=Observation")
    assert await counts(ward, OBSERVATIONS, manifest) == {"Observation": 2}
    assert "extension" not in manifest


async def test_a_type_of_one_patient_is_no_part_of_an_export_of_everybody(ward):
    both = app("system/Observation.rs", "patient/Patient.rs", patient="ana")
    assert await counts(ward, both, await manifest_of(ward, both)) == {"Observation": 2}
    answer = await ward("GET", "/$export?_type=Patient", headers=EXPORT, **both)
    assert answer.status_code == 403
    assert "Patient" in answer.json()["issue"][0]["details"]["text"]


async def test_scopes_that_export_nothing_are_refused(ward):
    for scopes in (("system/Observation.r",), ("system/Observation.c",)):
        assert (await ward("GET", "/$export", headers=EXPORT, **app(*scopes))).status_code == 403


async def test_a_file_is_for_the_same_caller_with_the_same_rights(ward):
    made = await manifest_of(ward, OBSERVATIONS)
    path = made["output"][0]["url"].removeprefix(ADDRESS)
    assert (await ward("GET", path, **OBSERVATIONS)).status_code == 200
    assert (await ward("GET", path, **app("system/Condition.rs"))).status_code == 403
    assert (await ward("GET", path, **OWN)).status_code == 404
    assert (await ward("GET", path, **OBSERVATIONS, subject="another")).status_code == 404


async def files(door):
    async with door.services.database.system() as connection:
        return await connection.fetchval("SELECT count(*) FROM export_file")


async def test_a_cancelled_export_frees_its_files_at_once_and_takes_no_more(ward):
    status = await started(ward, OBSERVATIONS)
    assert await work_once(ward.services)
    assert await files(ward) == 1
    assert (await ward("DELETE", status, **OBSERVATIONS)).status_code == 202
    assert await files(ward) == 0
    assert (await ward("GET", status, **OBSERVATIONS)).status_code == 404
    database, job = ward.services.database, status.rpartition("/")[2]
    late = File(2, "Observation", 1)
    assert not await exports.keep_file(database, job, late, b"{}", {"ana": 1}, at=ward.services.clock())
    assert await files(ward) == 0


async def test_what_is_over_is_neither_shown_nor_kept(ward):
    made = await manifest_of(ward, OBSERVATIONS)
    path = made["output"][0]["url"].removeprefix(ADDRESS)
    status = path.rpartition("/")[0]
    async with ward.services.database.system() as connection:
        await connection.execute("UPDATE export_job SET expires_at = now() - interval '1 second'")
    for address in (path, status):
        assert (await ward("GET", address, **OBSERVATIONS)).status_code == 404
    await exports.expire(ward.services.database, at=ward.services.clock())
    assert await files(ward) == 0
