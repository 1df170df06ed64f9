"""What the store proves of a person's accesses convinces the stand-alone verifier, which shares no code."""

import base64
from datetime import UTC, datetime

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from verifier import verify

from salus.core.access import Action, Outcome, Role
from salus.standards.merkle.note import log_key
from salus.store.ledger import append, encode_entries, leaf_of
from salus.store.proved import proved_accesses
from salus.store.sequencer import Progress, Signer, sequence

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
SIGNER = Signer("salus.test/pt", Ed25519PrivateKey.generate(), b"p" * 32)
KEY = verify.parse_key(log_key(SIGNER.origin, SIGNER.key).text)


def b64(content):
    return base64.b64encode(content).decode()


@pytest.fixture
def logged(database, grant):
    """Return a way to write accesses to the records, in order, and sign."""

    async def write(*patients, progress=None):
        leaves = [
            leaf_of(grant(), patient, what=f"Observation/{n}", resources=1, outcome=Outcome.SERVED)
            for n, patient in enumerate(patients)
        ]
        async with database.system() as connection:
            await append(connection, leaves)
        return await sequence(database, SIGNER, NOW, progress or Progress())

    return write


@pytest.fixture
def judged(database, grant):
    """Return a way to have the verifier judge a report over the records: (is complete, sentences, found)."""

    async def run(*records, count=100, before=None):
        allowed = grant(*records, role=Role.CITIZEN, action=Action.AUDIT)
        found = await proved_accesses(allowed, database, SIGNER.pseudonyms, count=count, before=before)
        report = {
            "format": verify.FORMAT,
            "checkpoint": found.note,
            "unsigned": found.unsigned,
            "before": found.following,
            "accesses": [
                {"index": each.index, "entry": b64(each.entry), "hashes": [b64(one) for one in each.hashes]}
                | ({} if each.link is None else {"link": each.link})
                for each in found.accesses
            ],
        }
        if found.persons:
            report["persons"] = {
                name.hex(): [b64(each) for each in proof] for name, proof in found.persons.items()
            }
        verdict = verify.verify_report(report, KEY, [], 0)
        return verdict.is_complete, " ".join(verdict.sentences), found

    return run


async def test_all_accesses_of_a_person_among_others_are_shown_to_be_all(logged, judged):
    progress = await logged("ana", "rui", "ana", "", "eva")
    for _ in range(3):
        progress = await logged("rui", "ana", *(f"p{n}" for n in range(90)), progress=progress)
    complete, said, found = await judged("ana")
    assert (complete, len(found.accesses), found.following) == (True, 5, None)
    assert "accesses 1 to 5 are all there" in said


async def test_records_that_were_merged_have_a_chain_each(logged, judged):
    await logged("ana", "ana-old", "ana", "ana-old", "rui")
    complete, said, found = await judged("ana", "ana-old")
    assert (complete, len(found.persons)) == (True, 2)
    assert "1 to 2, 1 to 2" in said


async def test_a_record_without_an_access_takes_nothing_from_the_others(logged, judged):
    await logged("ana", "rui")
    assert (await judged("ana", "never"))[0]


async def test_the_newest_of_many_are_shown_to_be_the_newest(logged, judged):
    await logged(*["ana", "rui"] * 10)
    complete, said, found = await judged("ana", count=4)
    assert (complete, len(found.accesses), found.following) == (False, 4, found.accesses[-1].index)
    assert "IN PART: accesses 7 to 10 are all there" in said
    complete, said, older = await judged("ana", count=100, before=found.following)
    assert [each.index for each in older.accesses] == list(range(10, -1, -2))
    assert "NOT SHOWN" in said


async def test_what_is_too_new_for_the_checkpoint_is_counted(database, grant, logged, judged):
    await logged("ana")
    leaf = leaf_of(grant(), "ana", what="Observation/9", resources=1, outcome=Outcome.SERVED)
    async with database.system() as connection:
        await append(connection, [leaf, leaf])
    assert (await judged("ana"))[2].unsigned == 2


async def test_after_an_upgrade_older_accesses_are_genuine_and_newer_ones_complete(
    database_url, grant, logged, judged
):
    """A log of before: leaves of the records themselves, and no chain."""
    leaf = leaf_of(grant(), "ana", what="Observation/1", resources=1, outcome=Outcome.SERVED)
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        "SELECT append_leaves(array_fill('ana'::text, '{5}'), array_fill(now(), '{5}'), $1::bytea[])",
        encode_entries([leaf] * 5),
    )
    await owner.execute(
        "INSERT INTO leaf_index (index, patient, arrival, hash) SELECT arrival - 1, patient, arrival, "
        "sha256('\\x00'::bytea || entry) FROM leaf"
    )
    await owner.execute(
        "INSERT INTO checkpoint (size, root, signed_at, note, settled) VALUES (5, '', now(), '', 5)"
    )
    await owner.close()
    await logged("ana", "rui", "ana")
    complete, said, found = await judged("ana")
    assert (complete, len(found.accesses)) == (False, 7)
    assert "accesses 1 to 2 are all there. 5 older ones have no number" in said


async def test_a_grant_over_nobody_gets_nothing(database, grant, logged):
    await logged("ana")
    found = await proved_accesses(grant(), database, SIGNER.pseudonyms, count=9)
    assert (found.accesses, found.persons) == ([], {})
