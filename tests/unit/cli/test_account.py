"""A desk gives a code, sees which accounts open a record, and takes one back."""

import asyncio

import pytest

from salus.cli.main import main
from salus.core.access import Assurance
from salus.node import open_services
from salus.trust.login.person import Account, Person
from salus.web.login.records import redeem

SEEN = ["--document", "passport:AB-12345"]
PERSON = Person(Account("https://id.example", "s-1"), "a", "Provider A", "Ana", Assurance.HIGH)


@pytest.fixture
def node(tmp_path, database_url):
    data = tmp_path / "pt"
    options = ["--country", "PT", "--name", "PT", "--port", "1", "--database", database_url]
    assert main(["node", "init", "--data", str(data), *options]) == 0
    file = tmp_path / "ana.ndjson"
    file.write_text('{"resourceType": "Patient", "id": "ana", "name": [{"family": "Silva"}]}\n')
    assert main(["load", str(file), "--source", "urn:test", "--data", str(data)]) == 0
    return data


def patient_of(data):
    async def find():
        async with open_services(data) as (_, services), services.database.system() as connection:
            return await connection.fetchval("SELECT id FROM resource WHERE type = 'Patient'")

    return asyncio.run(find())


def bind(data, code):
    async def act():
        async with open_services(data) as (_, services):
            return await redeem(services, PERSON, code)

    return asyncio.run(act())


def test_a_desk_gives_a_code_lists_the_account_and_ends_it(node, capsys):
    patient, data = patient_of(node), ["--data", str(node)]
    capsys.readouterr()
    assert main(["account", "list", "--patient", patient, *data]) == 0
    assert capsys.readouterr().out == "No account opens this record.\n"
    assert main(["account", "code", "--patient", patient, *SEEN, *data]) == 0
    code = capsys.readouterr().out.split()[0]
    assert bind(node, code) == patient
    assert main(["account", "list", "--patient", patient, *data]) == 0
    listed = capsys.readouterr().out
    assert "Provider A  by code" in listed
    assert main(["account", "end", listed.split()[0], "--patient", patient, *data]) == 0
    assert main(["account", "list", "--patient", patient, *data]) == 0
    assert "taken back" in capsys.readouterr().out


def test_a_code_for_nobody_is_none(node, capsys):
    assert main(["account", "code", "--patient", "nobody", *SEEN, "--data", str(node)]) == 1
    assert main(["account", "code", "--patient", patient_of(node), "--data", str(node)]) != 0
    assert main(["account", "end", "--patient", "nobody", *SEEN, "--data", str(node)]) == 1
    assert main(["account", "code", "--patient", patient_of(node), "--data", str(node)]) != 0
