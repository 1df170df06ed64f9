"""`salus explain`: the rule in plain words; for a professional the same words, restricted or not."""

import asyncio
import json

import msgspec
import pytest

from salus.cli.main import main
from salus.core.access import Outcome
from salus.node import open_services
from salus.store.ledger import append, leaf_of


@pytest.fixture
def node(tmp_path, database_url, grant):
    """A node with three accesses: one permitted, one that found nothing, one to what is restricted."""
    arguments = ["--country", "PT", "--name", "PT", "--port", "1", "--database", database_url]
    assert main(["node", "init", "--data", str(tmp_path / "pt"), *arguments]) == 0
    leaf = leaf_of(grant(), "ana", what="Observation/1", resources=1, outcome=Outcome.SERVED)
    permitted = msgspec.structs.replace(leaf, request="r-permitted", rule="clinician-treats")
    nothing = msgspec.structs.replace(permitted, request="r-nothing", resources=0)
    restricted = msgspec.structs.replace(
        nothing, request="r-hidden", rule="restricted-by-the-citizen", outcome=Outcome.REFUSED
    )

    async def fill():
        async with open_services(tmp_path / "pt") as (_, services), services.database.system() as connection:
            await append(connection, [permitted, nothing, restricted])

    asyncio.run(fill())
    return str(tmp_path / "pt")


def _explained(node, capsys, request, *options):
    assert main(["explain", request, *options, "--data", node]) == 0
    return capsys.readouterr().out


def test_an_access_is_explained_with_rule_and_law(node, capsys):
    said = _explained(node, capsys, "r-permitted")
    assert "A clinician may read the records of those whom they treat." in said
    assert "Rule: clinician-treats. Law: EHDS 11(1)." in said
    assert "You have restricted this part" in _explained(node, capsys, "r-hidden")
    assert json.loads(_explained(node, capsys, "r-hidden", "--json"))["law"] == "EHDS 8"


def test_a_professional_is_told_the_same_of_a_restriction_and_of_nothing(node, capsys):
    hidden = _explained(node, capsys, "r-hidden", "--to", "professional")
    assert hidden == _explained(node, capsys, "r-nothing", "--to", "professional")
    assert "may have limited" in hidden


def test_an_id_that_is_not_there_is_said_to_be_none(node, capsys):
    assert main(["explain", "r-unknown", "--data", node]) != 0
    assert "r-unknown" in capsys.readouterr().err
