"""The whole log against its checkpoints: what was changed behind the node's back is named."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salus.core.access import Outcome
from salus.standards.merkle.note import log_key
from salus.store import ledger_check
from salus.store.ledger import append, leaf_of
from salus.store.ledger_check import check_log, state_of
from salus.store.postgres import open_database
from salus.store.sealing import Seal
from salus.store.sequencer import Progress, Signer, sequence

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SIGNER = Signer("salus.test/pt", Ed25519PrivateKey.generate(), b"p" * 32)
LOG = log_key("salus.test/pt", SIGNER.key)
BATCHES = (3, 4, 40, 9)


@pytest.fixture
async def log(database, grant):
    """A log of 56 leaves under four checkpoints, a minute apart."""
    progress = Progress()
    for minute, count in enumerate(BATCHES):
        leaves = [
            leaf_of(grant(), f"p{n}", what="Observation/1", resources=1, outcome=Outcome.SERVED)
            for n in range(count)
        ]
        async with database.system() as connection:
            await append(connection, leaves)
        progress = await sequence(database, SIGNER, NOW + timedelta(minutes=minute), progress)
    return database


@pytest.fixture
def tamper(database_url):
    async def change(*statements):
        """Change the tables as only an administrator of the database can."""
        owner = await asyncpg.connect(database_url)
        await owner.execute("SET session_replication_role = replica")
        for statement in statements:
            await owner.execute(statement)
        await owner.close()

    return change


async def faults(database, **more):
    return (await check_log(database, LOG, SIGNER.pseudonyms, **more)).faults


async def test_an_untouched_log_holds_and_progress_is_told(log):
    told = []
    checked = await check_log(log, LOG, SIGNER.pseudonyms, told=lambda done, of: told.append((done, of)))
    assert (checked.begin, checked.end, checked.checkpoints, checked.faults) == (0, 56, 4, ())
    assert told == [(56, 56)]


async def test_a_log_that_grows_while_it_is_checked_holds(log, grant, monkeypatch):
    compare = ledger_check._Check.compare_map

    async def grow_and_compare(check):
        leaf = leaf_of(grant(), "p1", what="Observation/1", resources=1, outcome=Outcome.SERVED)
        async with log.system() as another:
            await append(another, [leaf])
        assert (await sequence(log, SIGNER, NOW + timedelta(minutes=9))).sequenced == 1
        await compare(check)

    monkeypatch.setattr(ledger_check._Check, "compare_map", grow_and_compare)
    assert await faults(log) == ()


async def test_an_empty_log_holds(database):
    assert (await check_log(database, LOG, SIGNER.pseudonyms)).checkpoints == 0
    assert (await state_of(database)).signed_at is None


async def test_a_check_since_a_moment_takes_what_is_older_as_signed(log, tamper):
    checked = await check_log(log, LOG, SIGNER.pseudonyms, since=NOW + timedelta(minutes=2, seconds=5))
    assert (checked.begin, checked.end, checked.checkpoints, checked.faults) == (47, 56, 2, ())
    assert (await check_log(log, LOG, SIGNER.pseudonyms, since=NOW - timedelta(days=1))).begin == 0
    await tamper("UPDATE tree_node SET hash = sha256('x') WHERE level = 4 AND position = 0")
    since = await check_log(log, LOG, SIGNER.pseudonyms, since=NOW + timedelta(minutes=3))
    assert "do not make the root" in since.faults[0]


@pytest.mark.parametrize("table", ["tree_node WHERE position = 1", "leaf_index WHERE index = 46"])
async def test_a_check_since_a_moment_does_not_begin_on_a_tree_with_holes(log, tamper, table):
    await tamper(f"DELETE FROM {table}")
    found = await faults(log, since=NOW + timedelta(minutes=3))
    assert found[0] == "Parts of the tree under the first 56 leaves are missing; verify the whole log."


ARRIVAL = "(SELECT arrival FROM leaf_index WHERE index = 20)"
REWRITE = f"UPDATE leaf SET entry = 'forged' WHERE arrival = {ARRIVAL}"
REHASH = "UPDATE leaf_index SET hash = sha256('\\x00'::bytea || 'forged') WHERE index = 20"


@pytest.mark.parametrize(
    ("statements", "sentence"),
    [
        ([REWRITE], "The entry of leaf 20 was changed"),
        ([f"DELETE FROM leaf WHERE arrival = {ARRIVAL}"], "The entry of leaf 20 is missing"),
        (["DELETE FROM leaf_index WHERE index = 20"], "Leaf 20 is missing from the log"),
        ([REWRITE, REHASH], "A leaf from 16 to 31 is not the one that was signed"),
        (["UPDATE tree_node SET hash = sha256('x') WHERE position = 1"], "subtree 1 of level 4 is not kept"),
        (["UPDATE leaf_index SET count = 2 WHERE index = 20"], "Leaf 20 is not number 1 of its person"),
        (["UPDATE person_page SET content = '' WHERE depth = 0"], "map of persons is not kept as the leaves"),
        (["UPDATE checkpoint SET root = sha256('x') WHERE size = 7"], "over 7 leaves is not kept as"),
        (
            ["UPDATE checkpoint SET note = replace(note, 'salus', 'other') WHERE size = 47"],
            "The checkpoint over 47 leaves is not this log's",
        ),
    ],
)  # fmt: skip
async def test_what_an_administrator_changed_is_named(log, tamper, statements, sentence):
    await tamper(*statements)
    assert [fault for fault in await faults(log) if sentence in fault]


async def test_a_sealed_record_that_was_changed_is_named(database_url, grant, tamper):
    leaf = leaf_of(grant(), "ana", what="Observation/1", resources=1, outcome=Outcome.SERVED)
    async with open_database(database_url, migrated=False, seal=Seal(b"k" * 32)) as sealing:
        async with sealing.system() as connection:
            await append(connection, [leaf, leaf])
        await sequence(sealing, SIGNER, NOW)
        assert await faults(sealing) == ()
        await tamper(
            "UPDATE leaf SET entry = set_byte(entry, 30, (get_byte(entry, 30) + 1) % 256) WHERE arrival = 2"
        )
        assert await faults(sealing) == (
            "The entry of leaf 1 cannot be opened. "
            "A record of the audit was changed in the database; run `salus ledger verify`.",
        )


async def test_a_leaf_rewritten_with_all_that_the_database_keeps_of_it_fails_the_signature(log, tamper):
    """Leaf 50 is under no kept subtree; the new root is stored too, but nobody can sign it."""
    await tamper(REHASH.replace("20", "50"), "UPDATE checkpoint SET root = sha256('x') WHERE size = 56")
    found = await faults(log)
    assert "The checkpoint over 56 leaves is not kept as it was signed." in found
    assert "A leaf from 47 to 55 is not the one that was signed." in found


async def test_another_logs_key_verifies_nothing(log):
    other = log_key("salus.test/pt", Ed25519PrivateKey.generate())
    checked = await check_log(log, other, SIGNER.pseudonyms)
    assert len(checked.faults) == len(BATCHES)


async def test_leaves_that_wait_are_counted_and_those_that_were_passed_over_are_a_fault(log, tamper, grant):
    late = leaf_of(grant(), "p1", what="Observation/1", resources=1, outcome=Outcome.SERVED)
    async with log.system() as connection:
        await append(connection, [late])
    assert (await state_of(log)).waiting == 1
    assert await faults(log) == ()
    await tamper("UPDATE checkpoint SET settled = 1000 WHERE size = 56")
    assert await faults(log) == ("1 leaves were written and never came into the log.",)
