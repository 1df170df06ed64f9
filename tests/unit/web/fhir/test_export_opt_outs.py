"""An export for public health leaves out who opted out of secondary use (EHDS 71), by the law."""

import msgspec
import pytest

from salus.core.access import Action, Purpose, Role
from salus.core.clock import utc_now
from salus.store.opt_outs import change_opt_out
from salus.store.standing import Standing
from salus.trust.gate import enter
from salus.trust.jurisdictions.law import jurisdiction_of
from salus.trust.policy import AccessRequest
from salus.trust.standing import SECONDARY
from salus.web.fhir.export import work_once

ADDRESS = "https://node.test/fhir"
BODY = {"role": Role.APP, "purpose": Purpose.PUBLIC_HEALTH, "scopes": ("system/*.rs",)}
HOSPITAL = {"role": Role.APP, "purpose": Purpose.OPERATIONS, "scopes": ("system/*.rs",)}
ALL = {"ana", "ana-1", "rui", "rui-1", "both"}


@pytest.fixture
async def ward(open_door, database):
    """Return a door with two records of a condition each, and a list of no record that names both."""
    standing = Standing(database, utc_now)
    door = open_door(standing=standing)
    for name in ("ana", "rui"):
        await door.operator("PUT", f"/Patient/{name}", {"resourceType": "Patient", "id": name})
        subject = {"reference": f"Patient/{name}"}
        condition = {"resourceType": "Condition", "id": f"{name}-1", "subject": subject}
        assert (await door.operator("PUT", f"/Condition/{name}-1", condition)).status_code == 201
    entries = [{"item": {"reference": f"Condition/{name}-1"}} for name in ("ana", "rui")]
    both = {"resourceType": "List", "id": "both", "status": "current", "mode": "working", "entry": entries}
    assert (await door.operator("PUT", "/List/both", both)).status_code == 201
    return door


async def choose(door, patient, *, out):
    caller = door.make_caller(Role.CITIZEN, patient=patient, subject=patient)
    word = f"{SECONDARY}-opt-out"
    asked = AccessRequest(Action.UPDATE, word, word, frozenset({patient}))

    async def nothing(_connection):
        pass

    async with enter(door.services.gatehouse, caller, asked) as access:
        await change_opt_out(
            access.grant, door.services.database, patient, SECONDARY, opted_out=out, after=nothing
        )
    await door.services.standing.refresh(patient)


async def exported(door, who):
    address = "/$export?_type=Patient,Condition,List"
    started = await door("GET", address, headers={"prefer": "respond-async"}, **who)
    assert started.status_code == 202, started.text
    assert await work_once(door.services)
    status = started.headers["content-location"].removeprefix(ADDRESS)
    return (await door("GET", status, **who)).json()["output"]


async def ids_in(door, who, files):
    found = set()
    for file in files:
        answer = await door("GET", file["url"].removeprefix(ADDRESS), **who)
        assert answer.status_code == 200, answer.text
        found |= {msgspec.json.decode(line)["id"] for line in answer.content.splitlines()}
    return found


@pytest.mark.clause("EHDS 71")
async def test_who_opted_out_is_in_no_export_for_public_health(ward, leaves):
    await choose(ward, "ana", out=True)
    before = len(await leaves())
    assert await ids_in(ward, BODY, await exported(ward, BODY)) == {"rui", "rui-1"}
    assert {leaf[0] for leaf in (await leaves())[before:]} <= {"", "rui"}
    assert await ids_in(ward, HOSPITAL, await exported(ward, HOSPITAL)) == ALL
    await choose(ward, "ana", out=False)
    assert await ids_in(ward, BODY, await exported(ward, BODY)) == ALL


async def test_a_file_made_before_the_opt_out_is_read_without_them(ward):
    files = await exported(ward, BODY)
    assert await ids_in(ward, BODY, files) == ALL
    await choose(ward, "rui", out=True)
    assert await ids_in(ward, BODY, files) == {"ana", "ana-1"}


@pytest.mark.parametrize(("country", "expected"), [("EE", {"rui", "rui-1"}), ("FR", ALL)])
async def test_a_law_may_override_the_opt_out_for_public_bodies(ward, country, expected):
    msgspec.structs.force_setattr(ward.services.gatehouse, "law", jurisdiction_of(country))
    await choose(ward, "ana", out=True)
    assert await ids_in(ward, BODY, await exported(ward, BODY)) == expected


async def test_for_public_health_nothing_is_read_one_by_one(ward):
    for path in ("/Condition/ana-1", "/Condition", "/Condition/ana-1/_history"):
        assert (await ward("GET", path, **BODY)).status_code == 403, path
