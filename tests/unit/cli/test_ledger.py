"""The log from the command line: how far it is, the proof of one access, and what was changed behind it."""

import asyncio
import base64
import json
from pathlib import Path

import asyncpg
import pytest

from salus.cli.main import main
from salus.core.access import Outcome
from salus.core.errors import StorageUnavailable
from salus.node import open_services
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.standards.merkle.note import parse_key
from salus.standards.merkle.proof import verify_inclusion
from salus.store.journal import Journal
from salus.store.ledger import append, leaf_of
from salus.store.sequencer import sequence
from salus.store.witness import pin
from salus.web.ledger import signer_of


@pytest.fixture
def node(tmp_path, database_url, grant):
    """A node with twenty signed accesses."""
    arguments = ["--country", "PT", "--name", "PT", "--port", "1", "--database", database_url]
    assert main(["node", "init", "--data", str(tmp_path / "pt"), *arguments]) == 0

    async def fill():
        async with open_services(tmp_path / "pt") as (_, services):
            leaf = leaf_of(grant(), "ana", what="Observation/1", resources=1, outcome=Outcome.SERVED)
            async with services.database.system() as connection:
                await append(connection, [leaf] * 20)
            await sequence(services.database, signer_of(services.base_url, services.keys), services.clock())

    asyncio.run(fill())
    return str(tmp_path / "pt")


def test_a_log_is_verified_and_what_was_changed_is_named(node, database_url, capsys):
    assert main(["ledger", "verify", "--data", node]) == 0
    assert "leaves 0 to 19 against 1 signed checkpoints: all is as it was signed" in capsys.readouterr().out

    async def forge():
        owner = await asyncpg.connect(database_url)
        await owner.execute("SET session_replication_role = replica")
        await owner.execute("UPDATE leaf SET entry = 'forged' WHERE arrival = 3")
        await owner.close()

    asyncio.run(forge())
    assert main(["ledger", "verify", "--data", node]) == 2
    assert "The entry of leaf 2 was changed" in capsys.readouterr().out
    assert main(["ledger", "verify", "--json", "--data", node]) == 2
    assert len(json.loads(capsys.readouterr().out)["faults"]) == 1


def test_all_accesses_are_written_as_events_and_the_next_call_goes_on(node, capsys):
    assert main(["ledger", "events", "--data", node]) == 0
    told = capsys.readouterr()
    events = [json.loads(line) for line in told.out.splitlines()]
    assert len(events) == len({event["id"] for event in events}) == 20
    assert {event["entity"][0]["what"]["reference"] for event in events} == {"Patient/ana"}
    assert "The next ones: salus ledger events --after 19" in told.err
    assert main(["ledger", "events", "--after", "17", "--data", node]) == 0
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == [
        event["id"] for event in events[18:]
    ]


def test_no_access_is_told_before_the_leaf_of_telling_it_is_durable(node, capsys, monkeypatch):
    async def full(_journal, _leaves):
        raise StorageUnavailable("The audit cannot be written now; send the request again.")

    monkeypatch.setattr(Journal, "write", full)
    assert main(["ledger", "events", "--data", node]) != 0
    assert capsys.readouterr().out == ""


def test_an_access_is_proved(node, capsys):
    assert main(["ledger", "prove", "7", "--data", node]) == 0
    proof = json.loads(capsys.readouterr().out)
    checkpoint = open_checkpoint(proof["checkpoint"], parse_key(proof["log"]))
    hashes = [base64.b64decode(each) for each in proof["hashes"]]
    leaf = base64.b64decode(proof["leaf_hash"])
    assert verify_inclusion(leaf, proof["index"], checkpoint.size, hashes, checkpoint.root)
    assert main(["ledger", "prove", "20", "--data", node]) == 1
    assert main(["ledger", "prove", "--data", node]) == 1
    assert main(["ledger", "verify", "7", "--data", node]) == 1
    assert main(["ledger", "prove", "x", "--data", node]) == 1


def test_without_a_federation_there_is_nobody_to_compare_with(node, capsys):
    assert main(["ledger", "reconcile", "ana", "--data", node]) == 0
    assert "no other member" in capsys.readouterr().out
    assert main(["ledger", "reconcile", "ana", "--json", "--data", node]) == 0
    assert json.loads(capsys.readouterr().out) == {"patient": "ana", "nodes": []}
    assert main(["ledger", "reconcile", "--data", node]) == 1


def test_the_pinned_keys_of_another_log_are_forgotten_on_demand(node, database_url, capsys):
    async def pinned():
        async with open_services(Path(node)) as (_, services):
            await pin(services.database, "fr-1", "log", "witness", services.clock())

    asyncio.run(pinned())
    assert main(["ledger", "forget", "fr-1", "--data", node]) == 0
    assert "fr-1 are forgotten" in capsys.readouterr().out
    assert main(["ledger", "forget", "fr-1", "--data", node]) == 1
    assert "salus federation list" in capsys.readouterr().err


def test_the_status_says_how_far_the_log_is(node, capsys):
    assert main(["ledger", "status", "--json", "--data", node]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["leaves"], status["waiting"]) == (20, 0)
    assert parse_key(status["log"]).name.endswith("/ledger")
    assert (status["witnessed"], status["witnessed_at"]) == ("no-federation", None)
    assert status["unknown_logins"] == []
    assert main(["ledger", "status", "--data", node]) == 0
    assert "signed_at" in capsys.readouterr().out


def test_the_status_names_logins_that_reach_the_database_and_are_not_known(node, database_url, capsys):
    async def run(statement):
        owner = await asyncpg.connect(database_url)
        await owner.execute(statement)
        await owner.close()

    asyncio.run(run("CREATE ROLE passer_by LOGIN; GRANT salus_wide TO passer_by"))
    try:
        assert main(["ledger", "status", "--json", "--data", node]) == 0
        unknown = json.loads(capsys.readouterr().out)["unknown_logins"]
        assert unknown == [{"name": "passer_by", "why": ["may become salus_wide"]}]
        assert main(["ledger", "status", "--data", node]) == 0
        line = "The database login passer_by is not known: it may become salus_wide."
        assert line in capsys.readouterr().out
        settings = Path(node) / "salus.toml"
        settings.write_text('database_logins = ["passer_by"]\n' + settings.read_text())
        assert main(["ledger", "status", "--data", node]) == 0
        assert "passer_by" not in capsys.readouterr().out
    finally:
        asyncio.run(run("DROP ROLE passer_by"))
