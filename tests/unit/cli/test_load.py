"""The commands as an operator types them."""

from __future__ import annotations

import json

import pytest

from salus.cli.main import main


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    data = tmp_path_factory.mktemp("node") / "data"
    made = ["node", "init", "--country", "EE", "--name", "Test", "--port", "1"]
    assert main([*made, "--data", str(data)]) == 0
    return data


def test_load_says_by_report_and_exit_code_what_became_of_the_files(node, tmp_path, capsys):
    def salus(*arguments):
        code = main([*map(str, arguments), "--data", str(node)])
        return code, capsys.readouterr().out

    citizens, bad = tmp_path / "c.ndjson", tmp_path / "bad.ndjson"
    assert salus("synth", "--persons", 3, "--country", "EE", "--seed", 1, "--out", citizens)[0] == 0
    code, output = salus("load", citizens, "--source", "urn:a", "--json")
    report = json.loads(output)
    assert code == 0
    assert {
        "read",
        "stored",
        "unchanged",
        "rejected",
        "seconds",
        "resources_per_second",
        "quarantine",
    } <= set(report)
    assert report["read"] == report["stored"] == len(citizens.read_bytes().splitlines())
    bad.write_text('{"resourceType":"Patient","gender":"x"}\n')
    assert salus("load", bad, "--json")[0] == 2
    listed = json.loads(salus("quarantine", "list", "--json")[1])
    assert (listed["line"], listed["expression"]) == (1, "Patient.gender")
    code, output = salus("quarantine", "show", listed["id"])
    assert code == 0
    assert "OperationOutcome" in output
    assert salus("quarantine", "retry", listed["id"])[0] == 2
    assert salus("load", tmp_path / "missing")[0] == 1
    assert salus("persons", "propose")[0] == 0
