"""An export made while two records were one person's is gone when they are parted."""

import pytest
from tests.unit.web.fhir.test_merged import ADDRESS, merged

from salus.core.access import Action, Purpose, Role
from salus.store import persons
from salus.store.merged import forget
from salus.web.fhir.export import work_once

__all__ = ["merged"]
OWN = {"role": Role.CITIZEN, "subject": "stays", "patient": "stays", "purpose": Purpose.PATIENT_REQUEST}
OTHER = {"role": Role.CITIZEN, "subject": "other", "patient": "other", "purpose": Purpose.PATIENT_REQUEST}
OPERATOR = {"role": Role.OPERATOR, "purpose": Purpose.OPERATIONS}


async def ask(door, who):
    path = "/Patient/$export?_type=Condition"
    started = await door("GET", path, headers={"prefer": "respond-async"}, **who)
    assert started.status_code == 202, started.text
    return started.headers["content-location"].removeprefix(f"{ADDRESS}/fhir")


async def files(door, who, status):
    answer = await door("GET", status, **who)
    listed = answer.json()["output"] if answer.status_code == 200 else []
    return answer.status_code, [each["url"].removeprefix(f"{ADDRESS}/fhir") for each in listed]


async def unmerge(door, database, grant):
    allowed = grant(action=Action.UPDATE)
    await persons.unmerge(allowed, database, "stays", "goes", key=door.services.keys.search)
    forget(database)


@pytest.mark.parametrize("done", [True, False])
async def test_once_unmerged_what_was_exported_of_both_is_gone(merged, database, grant, done):
    forget(database)
    mine, others, wide = [await ask(merged, who) for who in (OWN, OTHER, OPERATOR)]
    for _ in range(3 if done else 0):
        assert await work_once(merged.services)
    if done:
        status, (file,) = await files(merged, OWN, mine)
        answer = await merged("GET", file, **OWN)
        assert (status, "c-goes" in answer.text, "c-stays" in answer.text) == (200, True, True)
    await unmerge(merged, database, grant)
    assert await files(merged, OWN, mine) == (404, [])
    if done:
        assert (await merged("GET", file, **OWN)).status_code == 404
    while await work_once(merged.services):
        pass
    assert (await files(merged, OTHER, others))[0] == 200
    assert (await files(merged, OPERATOR, wide))[0] == 200
    again = await ask(merged, OWN)
    assert await work_once(merged.services)
    _, (file,) = await files(merged, OWN, again)
    assert "c-goes" not in (await merged("GET", file, **OWN)).text
