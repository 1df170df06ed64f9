"""Whom a loaded resource names by an identifier alone is told of its use, and may restrict it (EHDS 8, 9)."""

import pytest

from salus.core.access import Action, Role
from salus.core.errors import NotFound
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import bulk, resources
from salus.store.copying import encode_row
from salus.store.restrictions import restrict
from salus.store.rows import make_row


@pytest.mark.clause("EHDS 9")
async def test_a_load_names_whoever_has_the_identifier(database, grant):
    """A load of a Patient and of what names one by the same token; the token of the second comes first."""
    loading = grant(action=Action.LOAD)
    outside = IndexRow((), None, [], [], [], identities=(7,))
    patient = IndexRow(("ana",), None, [7], [], [])

    async def load(*rows):
        async with database.loading(loading) as connection, connection.transaction():
            encoded = [
                encode_row(one, () if "/" in one.compartment else (one.compartment,), loading.opened_at)
                for one in rows
            ]
            await bulk.load(loading, connection, encoded)

    async def patients(kind, identity):
        return (await resources.read(grant(role=Role.CLINICIAN), database, kind, identity)).patients

    await load(make_row("Person", "p1", b'{"resourceType":"Person"}', index=outside))
    assert await patients("Person", "p1") == ()
    await load(make_row("Patient", "ana", b'{"resourceType":"Patient"}', index=patient))
    assert await patients("Person", "p1") == ("ana",)
    await load(make_row("Person", "p2", b'{"resourceType":"Person"}', index=outside))
    assert await patients("Person", "p2") == ("ana",)
    assert await restrict(grant("ana", role=Role.CITIZEN), database, "Person", "p2") == 1
    with pytest.raises(NotFound):
        await patients("Person", "p2")
