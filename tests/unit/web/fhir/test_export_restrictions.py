"""What a citizen restricts is in no file that is read afterwards, nor in one made before (EHDS 8)."""

import pytest

from salus.core.access import Action, Purpose, Role
from salus.store import restrictions
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.export import work_once

ADDRESS = "https://node.test/fhir"
APP = {"role": Role.APP, "purpose": Purpose.OPERATIONS, "scopes": ("system/*.rs",)}
OPERATOR = {"role": Role.OPERATOR, "purpose": Purpose.OPERATIONS}


@pytest.fixture
async def ward(door):
    """Return a door with two records of two conditions each."""
    for name in ("ana", "rui"):
        await door.operator("PUT", f"/Patient/{name}", {"resourceType": "Patient", "id": name})
        for number in (1, 2):
            condition = {
                "resourceType": "Condition",
                "id": f"{name}-{number}",
                "subject": {"reference": f"Patient/{name}"},
            }
            assert (await door.operator("PUT", f"/Condition/{name}-{number}", condition)).status_code == 201
    return door


async def exported(door, who):
    started = await door(
        "GET", "/Patient/$export?_type=Condition", headers={"prefer": "respond-async"}, **who
    )
    assert await work_once(door.services)
    status = started.headers["content-location"].removeprefix(ADDRESS)
    (file,) = (await door("GET", status, **who)).json()["output"]
    return file


async def ids_in(door, who, file):
    answer = await door("GET", file["url"].removeprefix(ADDRESS), **who)
    assert answer.status_code == 200, answer.text
    return {identity for identity in ("ana-1", "ana-2", "rui-1", "rui-2") if f'"{identity}"' in answer.text}


async def restrict(door, patient, identity):
    caller = door.make_caller(Role.CITIZEN, patient=patient, subject=patient)
    wanted = AccessRequest(Action.UPDATE, "restriction", identity, patients=frozenset((patient,)))
    async with enter(door.services.gatehouse, caller, wanted) as access:
        await restrictions.restrict(access.grant, door.services.database, "Condition", identity)


async def test_a_file_made_before_a_restriction_is_read_without_what_is_restricted(ward, leaves):
    file = await exported(ward, APP)
    assert await ids_in(ward, APP, file) == {"ana-1", "ana-2", "rui-1", "rui-2"}
    await restrict(ward, "ana", "ana-1")
    before = len(await leaves())
    assert await ids_in(ward, APP, file) == {"ana-2", "rui-1", "rui-2"}
    assert [(leaf[0], leaf[3]) for leaf in (await leaves())[before:]] == [("ana", 1), ("rui", 2)]
    await restrict(ward, "ana", "ana-2")
    before = len(await leaves())
    assert await ids_in(ward, APP, file) == {"rui-1", "rui-2"}
    assert [(leaf[0], leaf[3]) for leaf in (await leaves())[before:]] == [("rui", 2)]


async def test_a_manifest_counts_for_whom_nothing_is_hidden_only(ward):
    assert "count" not in await exported(ward, APP)
    file = await exported(ward, OPERATOR)
    assert file["count"] == 4
    await restrict(ward, "ana", "ana-1")
    assert len(await ids_in(ward, OPERATOR, file)) == 4
