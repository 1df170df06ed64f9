"""What the store promises of a single resource."""

import pytest

from salus.core.access import Role
from salus.core.errors import AccessRefused, Gone, NotFound, VersionConflict
from salus.core.identifiers import new_id
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import resources
from salus.store.rows import make_row


def observation(patient: str, text: str = "72", identity: str = "", *, others: tuple[str, ...] = ()):
    index = IndexRow(
        compartments=(patient, *others) if patient else (),
        date=None,
        tokens=[-5, 7],
        ranges=[(3, 1.5, 2.5)],
        references=[],
    )
    content = b'{"resourceType":"Observation","valueString":"%s"}' % text.encode()
    return make_row("Observation", identity or new_id(), content, index=index)


async def test_what_was_created_is_read_back_byte_for_byte(database, grant):
    row = observation("ana")
    written = await resources.create(grant(), database, row)
    assert (written.outcome, written.resource.version) == ("created", 1)
    found = await resources.read(grant(), database, "Observation", row.id)
    assert found == written.resource
    assert found.content == row.content
    assert found.patients == ("ana",)


async def test_an_update_makes_a_version_and_keeps_the_one_before(database, grant):
    row = observation("ana")
    await resources.create(grant(), database, row)
    changed = observation("ana", "80", row.id)
    written = await resources.update(grant(), database, changed, if_match=1)
    assert (written.outcome, written.resource.version) == ("updated", 2)
    assert (await resources.vread(grant(), database, "Observation", row.id, 1)).content == row.content
    assert (await resources.vread(grant(), database, "Observation", row.id, 2)).content == changed.content


async def test_the_same_bytes_again_change_nothing(database, grant):
    row = observation("ana")
    await resources.create(grant(), database, row)
    written = await resources.update(grant(), database, row)
    assert (written.outcome, written.resource.version) == ("unchanged", 1)


async def test_if_match_refuses_another_version(database, grant):
    row = observation("ana")
    await resources.create(grant(), database, row)
    with pytest.raises(VersionConflict):
        await resources.update(grant(), database, observation("ana", "80", row.id), if_match=2)


async def test_a_deleted_resource_is_gone_and_comes_back_with_its_versions(database, grant):
    row = observation("ana")
    await resources.create(grant(), database, row)
    assert (await resources.delete(grant(), database, "Observation", row.id)).resource.version == 2
    with pytest.raises(Gone):
        await resources.read(grant(), database, "Observation", row.id)
    assert (await resources.delete(grant(), database, "Observation", row.id)).outcome == "unchanged"
    revived = await resources.update(grant(), database, row)
    assert (revived.outcome, revived.resource.version) == ("created", 3)


async def test_update_creates_only_where_allowed(database, grant):
    with pytest.raises(NotFound):
        await resources.update(grant(), database, observation("ana", identity="a1"))
    written = await resources.update(grant(), database, observation("ana", identity="a1"), may_create=True)
    assert written.outcome == "created"


async def test_a_patients_grant_neither_sees_nor_changes_nor_guesses_another_record(database, grant):
    row = observation("ana", identity="a1")
    await resources.create(grant(), database, row)
    rui = grant("rui", role=Role.CITIZEN)
    for resource_id in ("a1", "never-was"):
        with pytest.raises(NotFound):
            await resources.read(rui, database, "Observation", resource_id)
        with pytest.raises(NotFound):
            await resources.vread(rui, database, "Observation", resource_id, 1)
        with pytest.raises(NotFound):
            await resources.update(rui, database, observation("rui", identity=resource_id), may_create=True)
        with pytest.raises(NotFound):
            await resources.delete(rui, database, "Observation", resource_id)
    with pytest.raises(AccessRefused):
        await resources.create(rui, database, observation("ana"))
    assert (await resources.read(grant("ana"), database, "Observation", "a1")).version == 1


async def test_a_patients_grant_cannot_move_a_resource_to_another_record(database, grant):
    row = observation("ana", identity="a1")
    await resources.create(grant(), database, row)
    with pytest.raises(AccessRefused):
        await resources.update(grant("ana"), database, observation("rui", identity="a1"))
