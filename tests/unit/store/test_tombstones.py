"""The file of tombstones: what a crash tore is mended, what cannot be read is said."""

from datetime import UTC, datetime

import pytest

from salus.core.errors import SettingsInvalid
from salus.store.tombstones import (
    FILE,
    Tombstone,
    digests_of,
    erased_among,
    keep_tombstones,
    mirror,
    read_file,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)


async def bury(database, *names):
    async with database.system() as connection:
        found = await digests_of(connection, names)
        await keep_tombstones(connection, [Tombstone(one, "e1", NOW, True, "mistake") for one in found])


async def test_only_what_was_erased_is_told_by_its_name(database):
    await bury(database, "Patient/a")
    async with database.system() as connection:
        assert await erased_among(connection, ["Patient/a", "Patient/b"]) == {"Patient/a"}


async def test_a_torn_line_is_written_again(database, tmp_path):
    await bury(database, "Patient/a")
    await mirror(database, tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    await bury(database, "Patient/b")
    (tmp_path / FILE).write_bytes(whole + b'{"digest":"AA')
    assert len(read_file(tmp_path / FILE)[1]) == 1
    await mirror(database, tmp_path)
    await mirror(database, tmp_path)
    assert [stone.at for stone in read_file(tmp_path / FILE)[1]] == [NOW, NOW]
    assert (tmp_path / FILE).read_bytes().count(b"\n") == 3


async def test_a_file_that_cannot_be_read_is_not_taken_for_an_empty_one(database, tmp_path):
    (tmp_path / FILE).write_bytes(b"nonsense\n")
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        await mirror(database, tmp_path)


def test_without_a_file_nothing_was_erased(tmp_path):
    assert read_file(tmp_path / FILE) is None


@pytest.mark.parametrize("torn", [b"", b'{"salt":"AA'])
async def test_a_file_that_a_crash_left_empty_is_begun_again(database, tmp_path, torn):
    await bury(database, "Patient/a")
    (tmp_path / FILE).write_bytes(torn)
    await mirror(database, tmp_path)
    assert len(read_file(tmp_path / FILE)[1]) == 1
