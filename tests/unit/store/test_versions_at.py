"""A version is found by its number or its moment, and by whom it may be seen."""

from datetime import timedelta

import pytest

from salus.core.access import Action, Role
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import resources
from salus.store.rows import make_row
from salus.store.versions_at import version_at, version_of, versions_of

INDEX = IndexRow(("ana",), None, [], [], [])


@pytest.fixture
async def written(database, grant):
    """Three versions of one resource of Ana's."""
    wide = grant(action=Action.LOAD)
    made = []
    for text in "abc":
        row = make_row("Basic", "x", f'{{"resourceType":"Basic","language":"{text}"}}'.encode(), index=INDEX)
        made.append((await resources.update(wide, database, row, may_create=True)).resource)
    return made


async def test_the_version_of_a_moment_is_the_last_up_to_it_else_the_first_after_it(database, grant, written):
    wide = grant(role=Role.CLINICIAN)
    first, second, third = written
    among = max(each.version for each in written if each.updated <= second.updated)  # one moment
    early, late = first.updated - timedelta(days=1), third.updated + timedelta(days=1)
    async with database.reading(wide) as connection:
        for moment, version in ((early, 1), (second.updated, among), (late, 3)):
            found = await version_at(wide, connection, "Basic", "x", moment)
            assert (found.version, found.content) == (version, written[version - 1].content)
        assert (await version_of(wide, connection, "Basic", "x", 2)).content == second.content
        assert await version_of(wide, connection, "Basic", "x", 4) is None
        assert await version_at(wide, connection, "Basic", "y", late) is None
        assert [each.version for each in await versions_of(wide, connection, "Basic", "x")] == [3, 2, 1]


async def test_nobody_finds_a_version_in_a_record_that_their_grant_does_not_open(database, grant, written):
    other = grant("ben", role=Role.CITIZEN)
    async with database.reading(other) as connection:
        assert await version_of(other, connection, "Basic", "x", 1) is None
        assert await version_at(other, connection, "Basic", "x", written[2].updated) is None
        assert await versions_of(other, connection, "Basic", "x") == []
