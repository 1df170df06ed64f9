"""Records of the audit are sealed before they are stored; another key opens none, an older one does."""

import asyncpg
import pytest

from salus.core.access import Action, Outcome, Role
from salus.core.errors import StorageUnavailable
from salus.store.access_log import access_log
from salus.store.ledger import append, leaf_of
from salus.store.postgres import open_database
from salus.store.requests import leaves_of_request
from salus.store.sealing import IN_CLEAR, Seal

KEY, OLDER, OTHER = b"k" * 32, b"o" * 32, b"x" * 32


def test_a_record_is_opened_by_the_key_that_sealed_it_and_by_no_other():
    records = [b'{"salt":"a"}', b"", b"x" * 5_000]
    sealed = Seal(KEY).close(records)
    assert [Seal(KEY).open(each) for each in sealed] == records
    assert all(record not in each for record, each in zip(records, sealed, strict=True) if record)
    with pytest.raises(StorageUnavailable, match=r"keys/audit\.key does not hold"):
        Seal(OTHER).open(sealed[0])
    with pytest.raises(StorageUnavailable, match="does not hold"):
        IN_CLEAR.open(sealed[0])


def test_equal_records_are_sealed_differently():
    first, second = Seal(KEY).close([b"the same"] * 2)
    assert first[5:] != second[5:]


@pytest.mark.parametrize("place", [5, 16, 17, -1])
def test_a_changed_record_is_not_opened(place):
    (sealed,) = Seal(KEY).close([b"a record"])
    changed = bytearray(sealed)
    changed[place] ^= 1
    with pytest.raises(StorageUnavailable, match="salus ledger verify"):
        Seal(KEY).open(bytes(changed))


def test_after_a_change_of_key_the_new_one_seals_and_the_older_one_opens():
    (before,) = Seal(OLDER).close([b"before"])
    seal = Seal(KEY, OLDER)
    (after,) = seal.close([b"after"])
    assert (seal.open(before), seal.open(after)) == (b"before", b"after")
    with pytest.raises(StorageUnavailable):
        Seal(OLDER).open(after)


def test_what_was_in_clear_stays_readable():
    assert Seal(KEY).open(b'{"salt":"a"}') == b'{"salt":"a"}'
    assert IN_CLEAR.close([b"{}"]) == [b"{}"]


async def test_the_database_holds_nothing_readable_of_an_access(database_url, database, grant):
    """Only whose record it is, when, and the request's random id stand beside the sealed record."""
    leaf = leaf_of(grant(request="r-1"), "ana", what="Observation/1", resources=1, outcome=Outcome.SERVED)
    async with database.system() as connection:
        await append(connection, [leaf])  # from before: in clear
    ana = grant("ana", role=Role.CITIZEN, action=Action.AUDIT)
    async with open_database(database_url, migrated=False, seal=Seal(KEY)) as sealing:
        async with sealing.system() as connection:
            await append(connection, [leaf])
        owner = await asyncpg.connect(database_url)
        clear, sealed = await owner.fetch("SELECT * FROM leaf ORDER BY arrival")
        await owner.close()
        assert b"Mari Tamm" in clear["entry"]
        assert sealed["entry"][:1] == b"\x01"
        assert (sealed["patient"], sealed["request"], len(sealed["digest"])) == ("ana", "r-1", 32)
        found = await access_log(ana, sealing, "ana", count=9)
        assert [each.leaf for each in found] == [leaf, leaf]
        assert await leaves_of_request(ana, sealing, "r-1") == [leaf, leaf]
    async with open_database(database_url, migrated=False, seal=Seal(OTHER)) as other:
        with pytest.raises(StorageUnavailable, match=r"keys/audit\.key"):
            await access_log(ana, other, "ana", count=9)
