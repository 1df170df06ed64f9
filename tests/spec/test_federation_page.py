"""docs/federation.md: its example joins two nodes, and what it says of times is what the code does."""

import json
import re
import shlex
from pathlib import Path

from salus.cli.main import main
from salus.federation import authority, chains
from salus.standards.openid_federation.chain import LIFE_SECONDS_MAX

TEXT = (Path(__file__).parents[2] / "docs" / "federation.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)[0]


def test_the_example_joins_two_nodes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for port, country in enumerate(("pt", "ee"), 1):
        options = ["--country", country, "--name", country, "--port", str(port)]
        assert main(["node", "init", "--data", country, *options]) == 0
    for line in EXAMPLE.splitlines():
        assert main(shlex.split(line, comments=True)[1:]) == 0, line
    capsys.readouterr()
    assert main(["federation", "list", "--json", "--data", "ee"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {each["node"]: each["state"] for each in listed["members"]} == {"ee-1": "active", "pt-1": "active"}
    assert listed["anchor"].endswith("/federation/anchor")


def test_the_times_are_those_of_the_code():
    assert (chains.POLL_SECONDS, chains.RENEW_SECONDS, chains.EMERGENCY_SECONDS) == (20, 450, 7 * 24 * 3600)
    assert authority.STATEMENT_SECONDS == LIFE_SECONDS_MAX == 15 * 60
