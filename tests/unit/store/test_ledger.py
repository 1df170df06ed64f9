"""The ledger: append-only, sequenced without gaps or repeats, provable, and each citizen's own to read."""

import asyncio
import base64
import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.spec.rfc9162 import root_of
from tests.unit.verifier.reports import map_root

from salus.core.access import Action, Outcome, Role
from salus.core.errors import NotFound, SettingsInvalid, StorageUnavailable
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.standards.merkle.note import log_key
from salus.standards.merkle.proof import verify_consistency, verify_inclusion
from salus.standards.merkle.tiles import Tile
from salus.standards.merkle.tree import leaf_hash
from salus.store.access_log import (
    access_log,
    consistency_proof,
    first_index_at,
    inclusion_proof,
    inclusion_proofs,
    leaves_from,
    tile_of,
)
from salus.store.journal import open_journal
from salus.store.ledger import append, encode_entries, leaf_of
from salus.store.sequencer import Progress, Signer, last_checkpoint, sequence

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SIGNER = Signer("salus.test/pt", Ed25519PrivateKey.generate(), b"p" * 32)


@pytest.fixture
def leaf(grant):
    def make(patient="ana", what="Observation/1"):
        return leaf_of(grant(), patient, what=what, resources=1, outcome=Outcome.SERVED)

    return make


async def add(database, *leaves):
    async with database.system() as connection:
        await append(connection, leaves)


async def sequenced(database):
    """Return the leaves in order, each with the link that it must have, by docs/decisions/0017."""
    async with database.system() as connection:
        rows = await connection.fetch(
            "SELECT index, leaf.arrival, leaf.patient, entry, hash, count "
            "FROM leaf_index JOIN leaf USING (arrival) ORDER BY index"
        )
    found, ends = [], {}
    for row in rows:
        count, previous = ends.get(row["patient"], (0, bytes(32)))
        name = hmac.new(b"p" * 32, row["patient"].encode(), "sha256").hexdigest()
        lines = ("salus/leaf/v1", name, str(count + 1), previous.hex(), sha256(row["entry"]).hexdigest())
        link = "".join(f"{line}\n" for line in lines).encode()
        ends[row["patient"]] = (count + 1, leaf_hash(link))
        found.append(dict(row) | {"link": link})
    return found


async def test_leaves_get_consecutive_indexes_and_a_signed_checkpoint(database, leaf):
    await add(database, *(leaf(f"p{number}") for number in range(5)))
    first = await sequence(database, SIGNER, NOW)
    await add(database, *(leaf(f"p{number}") for number in range(8)))
    second = await sequence(database, SIGNER, NOW, first)
    assert (first.size, second.size, second.sequenced) == (5, 13, 8)
    rows = await sequenced(database)
    assert [row["index"] for row in rows] == list(range(13))
    size, root, note = await last_checkpoint(database)
    opened = open_checkpoint(note, log_key("salus.test/pt", SIGNER.key))
    assert (opened.size, opened.root) == (size, root) == (13, root_of(row["link"] for row in rows))


async def test_a_checkpoint_commits_to_where_each_persons_chain_ends(database, leaf):
    progress = Progress()
    for batch in (["ana", "rui", "ana"], ["rui", ""], ["eva", "ana"], [f"p{number}" for number in range(90)]):
        await add(database, *map(leaf, batch))
        progress = await sequence(database, SIGNER, NOW, progress)
        heads = {
            bytes.fromhex(row["link"].decode().split("\n")[1]): (row["count"], row["hash"])
            for row in await sequenced(database)
        }
        opened = open_checkpoint((await last_checkpoint(database))[2], log_key("salus.test/pt", SIGNER.key))
        root = base64.b64encode(map_root(heads)).decode()
        assert opened.extensions == ("salus/links/v1 0", f"salus/persons/v1 {root}")


async def test_another_key_of_pseudonyms_signs_nothing(database, leaf):
    """With two keys a person would have two chains, and a report of one would look complete."""
    await add(database, leaf())
    await sequence(database, SIGNER, NOW)
    await add(database, leaf())
    with pytest.raises(SettingsInvalid, match=r"keys/pseudonym\.key"):
        await sequence(database, Signer(SIGNER.origin, SIGNER.key, b"q" * 32), NOW)
    assert (await sequence(database, SIGNER, NOW)).size == 2


async def test_leaves_from_before_links_stay_as_they_are(database, database_url, leaf):
    """An upgrade: the log goes on, links begin at its size, and the checkpoint says so."""
    owner = await asyncpg.connect(database_url)
    for number in range(5):
        await owner.execute("SELECT append_leaves('{ana}', '{2026-11-01}', ARRAY[$1::bytea])", b"%d" % number)
    hashes = [leaf_hash(b"%d" % number) for number in range(5)]
    await owner.execute(
        "INSERT INTO leaf_index (index, patient, arrival, hash) SELECT arrival - 1, patient, arrival, "
        "sha256('\\x00'::bytea || entry) FROM leaf"
    )
    await owner.execute(
        "INSERT INTO tree_node SELECT 4, 0, 'x' WHERE false; "
        "INSERT INTO checkpoint (size, root, signed_at, note, settled) VALUES (5, '', now(), '', 5)"
    )
    await owner.close()
    await add(database, leaf(), leaf("rui"))
    await sequence(database, SIGNER, NOW)
    rows = (await sequenced(database))[5:]
    opened = open_checkpoint((await last_checkpoint(database))[2], log_key("salus.test/pt", SIGNER.key))
    assert (opened.size, opened.extensions[0]) == (7, "salus/links/v1 5")
    assert [row["count"] for row in rows] == [1, 1]
    proof = await inclusion_proof(database, 2, 7)
    assert verify_inclusion(hashes[2], 2, 7, proof, opened.root)


async def test_nothing_new_signs_nothing(database, leaf):
    assert (await sequence(database, SIGNER, NOW)).size == 0
    assert await last_checkpoint(database) is None
    await add(database, leaf())
    progress = await sequence(database, SIGNER, NOW)
    assert (await sequence(database, SIGNER, NOW, progress)).sequenced == 0


async def test_a_leaf_that_commits_late_is_sequenced_late_and_never_lost(database, leaf):
    """Its arrival is smaller than that of leaves already in the tree."""
    async with database.system() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await append(slow, [leaf("late")])
        progress = Progress()
        for number in range(4):
            await add(database, leaf(f"p{number}"))
            progress = await sequence(database, SIGNER, NOW, progress)
        assert progress.size == 4
        await transaction.commit()
    progress = await sequence(database, SIGNER, NOW, progress)
    assert (progress.size, progress.sequenced) == (5, 1)
    arrivals = [row["arrival"] for row in await sequenced(database)]
    assert arrivals[-1] == min(arrivals)
    # A process that starts anew finds nothing it has done already.
    assert (await sequence(database, SIGNER, NOW)).sequenced == 0
    await add(database, leaf("next"))
    progress = await sequence(database, SIGNER, NOW, progress)
    await add(database, leaf("after"))
    await sequence(database, SIGNER, NOW, progress)
    async with database.system() as connection:
        settled = await connection.fetchval("SELECT settled FROM checkpoint ORDER BY size DESC LIMIT 1")
    assert settled >= max(arrivals)


async def test_a_leaf_of_a_rolled_back_transaction_is_none(database, leaf):
    async with database.system() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await append(connection, [leaf("never")])
        await transaction.rollback()
    await add(database, leaf("ana"))
    assert (await sequence(database, SIGNER, NOW)).size == 1


async def test_two_sequencers_and_many_writers_make_one_tree(database, leaf):
    async def write(name):
        for number in range(10):
            await add(database, leaf(name, f"Observation/{number}"))

    async def keep_sequencing():
        progress = Progress()
        for _ in range(20):
            progress = await sequence(database, SIGNER, NOW, progress)

    await asyncio.gather(*(write(f"p{n}") for n in range(4)), keep_sequencing(), keep_sequencing())
    await sequence(database, SIGNER, NOW)
    rows = await sequenced(database)
    assert [row["index"] for row in rows] == list(range(40))
    assert (await last_checkpoint(database))[1] == root_of(row["link"] for row in rows)


async def test_proofs_verify_against_the_checkpoint(database, leaf):
    progress, roots = Progress(), {}
    for count in (3, 4, 6, 40):
        await add(database, *(leaf(f"p{number}") for number in range(count)))
        progress = await sequence(database, SIGNER, NOW, progress)
        size, root, _ = await last_checkpoint(database)
        roots[size] = root
    rows = await sequenced(database)
    for size, root in roots.items():
        for row in rows[:size:3]:
            proof = await inclusion_proof(database, row["index"], size)
            assert verify_inclusion(leaf_hash(row["link"]), row["index"], size, proof, root)
    proof = await consistency_proof(database, 7, 13)
    assert verify_consistency(7, 13, roots[7], roots[13], proof)
    for wrong in ((13, 13), (-1, 13), (0, 54), (0, 0)):
        with pytest.raises(NotFound):
            await inclusion_proof(database, *wrong)


async def test_proofs_of_many_leaves_are_those_of_each(database, leaf):
    await add(database, *(leaf(f"p{number}") for number in range(37)))
    await sequence(database, SIGNER, NOW)
    indexes = [36, 0, 17]
    each = [await inclusion_proof(database, index, 37) for index in indexes]
    assert await inclusion_proofs(database, indexes, 37) == each
    assert await inclusion_proofs(database, [], 0) == []


async def test_tiles_hold_the_hashes_of_the_tree_as_far_as_it_is_signed(database, leaf):
    """The node of level 8 over 256 leaves has the hash that RFC 9162 gives a tree of them."""
    await add(database, *(leaf(f"p{number}") for number in range(300)))
    await sequence(database, SIGNER, NOW)
    links = [row["link"] for row in await sequenced(database)]
    leaves = [leaf_hash(link) for link in links]
    assert await tile_of(database, Tile(0, 0)) == b"".join(leaves[:256])
    assert await tile_of(database, Tile(0, 1, 44)) == b"".join(leaves[256:])
    assert await tile_of(database, Tile(0, 1, 3)) == b"".join(leaves[256:259])
    assert await tile_of(database, Tile(1, 0, 1)) == root_of(links[:256])
    for absent in (Tile(0, 1, 45), Tile(0, 1), Tile(1, 0, 2), Tile(2, 0, 1)):
        with pytest.raises(NotFound):
            await tile_of(database, absent)


@pytest.mark.parametrize("table", ["leaf", "leaf_index", "tree_node", "checkpoint"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {0} SET {1} = {1}", "TRUNCATE {}"])
async def test_not_even_the_owner_changes_the_ledger(database, database_url, leaf, table, verb):
    await add(database, leaf(), leaf())
    await sequence(database, SIGNER, NOW)
    column = {"leaf": "at", "checkpoint": "note"}.get(table, "hash")
    owner = await asyncpg.connect(database_url)
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await owner.execute(verb.format(table, column))
    await owner.close()
    async with database.system() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(verb.format(table, column))


async def test_a_citizen_reads_their_own_accesses_newest_first_and_nobody_elses(database, grant, leaf):
    await add(database, leaf("ana", "a"), leaf("rui", "b"), leaf("ana", "c"))
    await sequence(database, SIGNER, NOW)
    await add(database, leaf("ana", "d"))
    ana = grant("ana", role=Role.CITIZEN, action=Action.AUDIT)
    first = await access_log(ana, database, "ana", count=2)
    assert [(line.leaf.what, line.index) for line in first] == [("d", None), ("c", 2)]
    rest = await access_log(ana, database, "ana", count=2, before=first[-1].arrival)
    assert [(line.leaf.what, line.index) for line in rest] == [("a", 0)]
    assert await access_log(ana, database, "rui", count=9) == []
    async with database.reading(ana) as connection:
        assert await connection.fetchval("SELECT count(*) FROM leaf WHERE patient <> 'ana'") == 0
        assert await connection.fetchval("SELECT count(*) FROM leaf_index WHERE patient <> 'ana'") == 0


async def test_the_journal_writes_many_requests_leaves_durably(database, leaf):
    async with open_journal(database) as journal:
        await asyncio.gather(*(journal.write([leaf(f"p{number}")]) for number in range(50)))
        async with database.system() as connection:
            assert await connection.fetchval("SELECT count(DISTINCT patient) FROM leaf") == 50
        journal.post([leaf("last")])
    async with database.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM leaf WHERE patient = 'last'") == 1


def test_equal_leaves_have_different_entries(leaf):
    first, second = encode_entries([leaf(), leaf()])
    assert first != second


async def test_leaves_that_the_database_refuses_fail_their_request_and_no_later_one(database, leaf):
    async with open_journal(database) as journal:
        with pytest.raises(StorageUnavailable, match="cannot be written now"):
            await asyncio.wait_for(journal.write([leaf("no\0where")]), timeout=30)
        await asyncio.wait_for(journal.write([leaf("p1")]), timeout=30)


async def test_leaves_that_the_database_refuses_lose_no_other_request_its_own(database, leaf):
    async with open_journal(database) as journal:
        wanted = [journal.begin([leaf(name)]) for name in ("ana", "no\0where", "rui")]
        journal.post([leaf("eva")])
        ended = await asyncio.gather(*wanted, return_exceptions=True)
    assert [type(each) for each in ended] == [type(None), StorageUnavailable, type(None)]
    async with database.system() as connection:
        rows = await connection.fetch("SELECT patient FROM leaf ORDER BY arrival")
    assert [row["patient"] for row in rows] == ["ana", "rui", "eva"]


async def test_the_whole_log_is_read_in_order_and_only_under_a_grant_over_the_node(database, leaf, grant):
    await add(database, *(leaf(f"p{number}") for number in range(5)))
    await sequence(database, SIGNER, NOW)
    whole, bound = grant(role=Role.AUDITOR), grant("p1", role=Role.CITIZEN)
    async with database.reading(whole) as connection:
        found = await leaves_from(whole, connection, 1, 3)
        assert [(index, one.patient) for index, one in found] == [(1, "p1"), (2, "p2"), (3, "p3")]
        assert await first_index_at(whole, connection, NOW) == 0
        assert await first_index_at(whole, connection, NOW + timedelta(seconds=1)) == 5
    async with database.reading(bound) as connection:
        assert await leaves_from(bound, connection, 0, 9) == []
