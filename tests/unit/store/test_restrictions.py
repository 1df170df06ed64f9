"""What a citizen restricts is absent for professionals, and there for the citizen (EHDS 8)."""

from datetime import UTC, datetime

import pytest

from salus.core.access import Action, Outcome, Role
from salus.core.errors import AccessRefused, NotFound, Throttled
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import documents, resources
from salus.store.access_log import access_log
from salus.store.history import history
from salus.store.restrictions import lift, preview, restrict, restrictions
from salus.store.rows import make_row
from salus.store.turns import Turns

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def row(kind, identity, patient="ana", text="1"):
    index = IndexRow((patient,), None, [], [], [])
    return make_row(kind, identity, f'{{"resourceType":"{kind}","n":{text}}}'.encode(), index=index)


async def store_document(database, grant, *, extracted=("Observation/o1",), stored=("d1", "o1", "o2")):
    """Store a DocumentReference, the document it describes and an Observation extracted from it."""
    operator = grant(action=Action.LOAD)
    for one in (row("DocumentReference", "d1"), row("Observation", "o1"), row("Observation", "o2")):
        if one.id in stored:
            await resources.create(operator, database, one)
    async with database.writing(operator) as connection:
        kept = documents.Document(
            patient="ana",
            id="b1",
            reference="d1",
            media_type="text/plain",
            digest=b"",
            received_at=NOW,
            source="",
            extracted=extracted,
            content=b"secret",
        )
        await documents.keep(operator, connection, kept)


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize("bound", [True, False])
async def test_a_restricted_document_is_absent_for_professionals_with_all_that_came_of_it(
    database, grant, bound
):
    await store_document(database, grant)
    citizen = grant("ana", role=Role.CITIZEN)
    clinician = grant(*(("ana",) if bound else ()), role=Role.CLINICIAN)
    assert (await resources.read(clinician, database, "DocumentReference", "d1")).version == 1
    assert await restrict(citizen, database, "DocumentReference", "d1") == 2
    hidden = (("DocumentReference", "d1"), ("Observation", "o1"))
    for kind, identity in hidden:
        with pytest.raises(NotFound) as told:
            await resources.read(clinician, database, kind, identity)
        with pytest.raises(NotFound) as never:
            await resources.read(clinician, database, kind, "never")
        assert told.value.message.replace(identity, "?") == never.value.message.replace("never", "?")
        with pytest.raises(NotFound):
            await resources.vread(clinician, database, kind, identity, 1)
        with pytest.raises(NotFound):
            await resources.update(clinician, database, row(kind, identity, text="2"))
        with pytest.raises(NotFound):
            await resources.delete(clinician, database, kind, identity)
        assert (await resources.read(citizen, database, kind, identity)).version == 1
    with pytest.raises(NotFound):
        await documents.retrieve(clinician, database, "b1")
    assert (await documents.retrieve(citizen, database, "b1")).content == b"secret"
    seen = await history(clinician, database, ["DocumentReference", "Observation"], count=9)
    assert [version.id for version in seen.versions] == ["o2"]
    assert (await resources.read(clinician, database, "Observation", "o2")).version == 1


@pytest.mark.clause("EHDS 8")
async def test_a_document_goes_with_any_part_of_it_and_its_other_parts_stay(database, grant):
    await store_document(database, grant, extracted=("Observation/o1", "Observation/o2"))
    citizen, clinician = grant("ana", role=Role.CITIZEN), grant(role=Role.CLINICIAN)
    assert await restrict(citizen, database, "Observation", "o1") == 2
    for kind, identity in (("Observation", "o1"), ("DocumentReference", "d1")):
        with pytest.raises(NotFound):
            await resources.read(clinician, database, kind, identity)
    with pytest.raises(NotFound):
        await documents.retrieve(clinician, database, "b1")
    assert (await resources.read(clinician, database, "Observation", "o2")).version == 1
    assert await lift(citizen, database, "Observation", "o1") == 2
    assert (await documents.retrieve(clinician, database, "b1")).content == b"secret"


async def test_a_document_received_later_goes_with_a_part_that_is_hidden(database, grant):
    citizen, clinician = grant("ana", role=Role.CITIZEN), grant(role=Role.CLINICIAN)
    await resources.create(grant(), database, row("Observation", "o1"))
    await restrict(citizen, database, "Observation", "o1")
    await store_document(database, grant, stored=("d1", "o2"))
    with pytest.raises(NotFound):
        await documents.retrieve(clinician, database, "b1")
    assert (await documents.retrieve(citizen, database, "b1")).content == b"secret"


async def test_a_preview_says_by_type_what_a_restriction_would_hide(database, grant):
    await store_document(database, grant)
    citizen = grant("ana", role=Role.CITIZEN)
    assert await preview(citizen, database, "DocumentReference", "d1") == {
        "DocumentReference": 1,
        "Observation": 1,
    }
    assert await restrictions(citizen, database) == []
    with pytest.raises(NotFound):
        await preview(grant("rui", role=Role.CITIZEN), database, "DocumentReference", "d1")
    with pytest.raises(AccessRefused):
        await preview(grant(role=Role.CLINICIAN), database, "DocumentReference", "d1")


async def test_a_lifted_restriction_shows_everything_again(database, grant):
    await store_document(database, grant)
    citizen, clinician = grant("ana", role=Role.CITIZEN), grant(role=Role.CLINICIAN)
    await restrict(citizen, database, "DocumentReference", "d1")
    assert len(await restrictions(citizen, database)) == 2
    await lift(citizen, database, "DocumentReference", "d1")
    assert (await resources.read(clinician, database, "Observation", "o1")).version == 1
    assert (await documents.retrieve(clinician, database, "b1")).content == b"secret"
    assert await restrictions(citizen, database) == []


async def test_a_new_version_of_what_is_restricted_stays_so(database, grant):
    await resources.create(grant(), database, row("Observation", "o1"))
    citizen, clinician = grant("ana", role=Role.CITIZEN), grant(role=Role.CLINICIAN)
    await restrict(citizen, database, "Observation", "o1")
    await resources.update(citizen, database, row("Observation", "o1", text="2"))
    for version in (1, 2):
        with pytest.raises(NotFound):
            await resources.vread(clinician, database, "Observation", "o1", version)


async def test_only_the_citizen_restricts_and_only_their_own(database, grant):
    await resources.create(grant(), database, row("Observation", "o1"))
    for role in (Role.CLINICIAN, Role.OPERATOR):
        with pytest.raises(AccessRefused):
            await restrict(grant(role=role), database, "Observation", "o1")
    with pytest.raises(NotFound):
        await restrict(grant("rui", role=Role.CITIZEN), database, "Observation", "o1")


async def test_restricting_is_written_down(database, grant):
    await resources.create(grant(), database, row("Observation", "o1"))
    citizen = grant("ana", role=Role.CITIZEN)
    await restrict(citizen, database, "Observation", "o1")
    newest = (await access_log(citizen, database, "ana", count=1))[0].leaf
    assert (newest.what, newest.outcome) == ("Observation/o1 restricted", Outcome.SERVED)


async def test_one_restriction_or_preview_of_a_caller_runs_at_a_time(database, grant, monkeypatch):
    await resources.create(grant(action=Action.LOAD), database, row("Observation", "o1"))
    citizen = grant("ana", role=Role.CITIZEN)
    monkeypatch.setattr(database, "restricting", Turns(1, 0.05, "previews"))
    async with database.restricting.taken(citizen.caller):
        for work in (preview, restrict, lift):
            with pytest.raises(Throttled, match="previews"):
                await work(citizen, database, "Observation", "o1")
    assert await preview(citizen, database, "Observation", "o1") == {"Observation": 1}


async def test_what_was_corrected_to_be_about_another_is_not_hidden_by_whom_it_was_about(database, grant):
    await resources.create(grant(), database, row("Observation", "o1"))
    clinician = grant(role=Role.CLINICIAN)
    await restrict(grant("ana", role=Role.CITIZEN), database, "Observation", "o1")
    await resources.update(grant(), database, row("Observation", "o1", "rui", text="2"))
    assert (await resources.read(clinician, database, "Observation", "o1")).version == 2
    with pytest.raises(NotFound):
        await resources.vread(clinician, database, "Observation", "o1", 1)
    rui = grant("rui", role=Role.CITIZEN)
    await restrict(rui, database, "Observation", "o1")
    with pytest.raises(NotFound):
        await resources.read(clinician, database, "Observation", "o1")
    await lift(rui, database, "Observation", "o1")
    assert (await resources.read(clinician, database, "Observation", "o1")).version == 2
    await resources.update(grant(), database, row("Observation", "o1", text="3"))
    with pytest.raises(NotFound):
        await resources.read(clinician, database, "Observation", "o1")
