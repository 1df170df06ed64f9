"""What lies in no record and names one person alone is judged with that person's veils."""

import pytest
from tests.unit.trust.consent.test_hanging import consent, observation, row, sees, write

from salus.core.access import Action, Role
from salus.core.errors import NotFound
from salus.store import bulk, resources
from salus.store.copying import encode_row
from salus.trust.consent import hanging

__all__ = ["sees", "write"]
CODE = {"system": "http://loinc.org", "code": "1"}
CONDITION = {"resourceType": "Condition", "subject": {"reference": "Patient/a"}}
NAMED = {"a": "7", "b": "8"}
EVERYTHING = ("Bundle/bundle", "Observation/by-number", "Person/by-reference")


def patient(name, *numbers):
    listed = [{"system": "urn:x", "value": each} for each in numbers]
    return {"resourceType": "Patient", "id": name, "identifier": listed}


def bundle(name, *held):
    return {"resourceType": "Bundle", "id": name, "type": "collection",
            "entry": [{"resource": each} for each in held]}  # fmt: skip


def by_number(name, *numbers, **more):
    subjects = [{"identifier": {"system": "urn:x", "value": each}} for each in numbers]
    return {"resourceType": "Observation", "id": name, "status": "final", "subject": subjects[0],
            "performer": subjects[1:]} | more  # fmt: skip


def outside():
    return (
        bundle("bundle", CONDITION),
        by_number("by-number", "7"),
        {"resourceType": "Person", "id": "by-reference", "link": [{"target": {"reference": "Patient/a"}}]},
    )  # fmt: skip


@pytest.mark.parametrize("veiled_first", [True, False])
async def test_who_denies_all_denies_what_names_them_alone_too(write, sees, veiled_first):
    await write(patient("a", "7"), patient("b", "8"))
    steps = [(consent("c", "a"),), outside()]
    for step in steps if veiled_first else reversed(steps):
        await write(*step)
    await write(by_number("another", "8"))
    assert await sees(*EVERYTHING, "Observation/another") == {"Observation/another"}
    await write({**consent("c", "a"), "status": "inactive"})
    assert await sees(*EVERYTHING) == set(EVERYTHING)


async def test_earlier_versions_are_hidden_too(database, grant, write, sees):
    await write(patient("a", "7"), by_number("by-number", "7"))
    await write(by_number("by-number", "7", code={"text": "later"}))
    await write(consent("c", "a"))
    clinician = grant(role=Role.CLINICIAN)
    for version in (1, 2):
        with pytest.raises(NotFound):
            await resources.vread(clinician, database, "Observation", "by-number", version)
    await write(by_number("new", "7"))
    with pytest.raises(NotFound):
        await resources.vread(clinician, database, "Observation", "new", 1)


@pytest.mark.parametrize(
    "denied",
    [
        {"code": [{"coding": [CODE]}]},
        {"securityLabel": [{"code": "SEX"}]},
        {"class": [{"code": "Condition"}]},
    ],
)
@pytest.mark.parametrize("veiled_first", [True, False])
async def test_a_bundle_is_hidden_from_whom_what_it_holds_is_hidden(write, sees, denied, veiled_first):
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SEX"}
    meant = CONDITION | {"code": {"coding": [CODE]}, "meta": {"security": [label]}}
    other = observation("x", "a", code={"text": "other"})
    steps = [
        (consent("c", "a", **denied),),
        (bundle("meant", other, meant), bundle("deeper", bundle("inner", meant)), bundle("other", other)),
    ]
    await write(patient("a", "7"))
    for step in steps if veiled_first else reversed(steps):
        await write(*step)
    assert await sees("Bundle/meant", "Bundle/deeper", "Bundle/other") == {"Bundle/other"}


async def test_what_names_two_is_neither_s_alone(write, sees):
    await write(patient("a", "7"), patient("b", "8"), consent("c", "a"))
    await write(bundle("two", CONDITION, {**CONDITION, "subject": {"reference": "Patient/b"}}))
    assert await sees("Bundle/two") == {"Bundle/two"}


async def test_a_number_that_is_given_to_a_person_later_brings_what_names_it(write, sees):
    await write(patient("a", "7"), consent("c", "a"), by_number("other-number", "9"))
    assert await sees("Observation/other-number") == {"Observation/other-number"}
    await write(patient("a", "7", "9"))
    assert await sees("Observation/other-number") == set()


async def test_what_is_named_later_brings_who_named_it(write, sees):
    link = {"url": "urn:x", "valueReference": {"reference": "Condition/later"}}
    refers = {"resourceType": "Basic", "id": "refers", "code": {"coding": [CODE]}, "extension": [link]}
    await write(patient("a", "7"), consent("c", "a", code=[{"coding": [CODE]}]), refers)
    assert await sees("Basic/refers") == {"Basic/refers"}
    await write({**CONDITION, "id": "later"})
    assert await sees("Basic/refers", "Condition/later") == {"Condition/later"}


async def test_what_is_loaded_later_is_judged(database, grant, write, sees):
    await write(patient("a", "7"), consent("c", "a"))
    loading = grant(action=Action.LOAD)
    rows = [encode_row(one, (), loading.opened_at) for one in map(row, outside())]
    async with database.loading(loading) as connection, connection.transaction():
        await bulk.load(loading, connection, rows)
        keys = [(one.compartment, one.type, one.id) for one in rows]
        await hanging.hang_loaded(loading, connection, keys, default_denies=False)
    assert await sees(*EVERYTHING) == set()
