"""The commands as an operator types them."""

from __future__ import annotations

import gzip
import io
import json
import sys
from types import SimpleNamespace

import pytest

from salus.cli.main import main


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    data = tmp_path_factory.mktemp("node") / "data"
    made = ["node", "init", "--country", "EE", "--name", "Test", "--port", "1"]
    assert main([*made, "--data", str(data)]) == 0
    return data


@pytest.fixture
def salus(node, capsys):
    """Return what runs a command: its exit code, output and complaint."""

    def run(*arguments):
        code = main([*map(str, arguments), "--data", str(node)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_what_is_skipped_in_a_folder_is_counted_and_named(salus, tmp_path):
    (tmp_path / "a.ndjson").write_text('{"resourceType":"Patient","id":"skip"}\n')
    for name in ("scan.tif", "notes.txt", "image.dcm", ".hidden.csv"):
        (tmp_path / name).write_text("x")
    report = json.loads(salus("load", tmp_path, "--json")[1])
    assert (report["read"], report["skipped"]) == (1, 3)
    assert [name.rpartition("/")[2] for name in report["skipped_names"]] == [
        "image.dcm", "notes.txt", "scan.tif",
    ]  # fmt: skip
    assert "scan.tif" in salus("load", tmp_path)[1]


def test_packed_standard_input_is_recognised(salus, monkeypatch):
    packed = gzip.compress(b'{"resourceType":"Patient","id":"piped"}\n')
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(packed)))
    code, output, _ = salus("load", "-", "--source", "urn:piped", "--json")
    assert (code, json.loads(output)["stored"]) == (0, 1)


@pytest.mark.parametrize("source", ["notauri", "hospital a", ""])
def test_a_source_that_is_no_uri_is_refused_with_an_example(salus, tmp_path, source):
    (tmp_path / "a.ndjson").write_text('{"resourceType":"Patient","id":"1"}\n')
    code, _, complaint = salus("load", tmp_path, "--source", source)
    assert code == 1
    assert "https://hospital-a.example/fhir" in complaint


def test_quarantine_shows_place_and_whole_reason_and_takes_names_after_options(salus, tmp_path, node):
    bad = tmp_path / "bad.ndjson"
    long = "x" * 150
    bad.write_text(json.dumps({"resourceType": "Patient", "id": "q", "birthDate": long}))
    assert salus("load", bad, "--source", "urn:bad")[0] == 2
    _, output, _ = salus("quarantine", "list", "--source", "urn:bad")
    kept = json.loads(salus("quarantine", "list", "--source", "urn:bad", "--json")[1])
    assert f"Patient.birthDate: {kept['reason']}" in output
    assert len(kept["reason"]) > 100
    # The name of the node's folder before the ID.
    assert main(["quarantine", "retry", "--data", str(node), kept["id"]]) == 2


def test_a_refused_correction_is_told_and_the_original_stays(salus, tmp_path):
    (tmp_path / "bad.ndjson").write_text('{"resourceType":"Patient","id":"c","gender":"x"}\n')
    salus("load", tmp_path / "bad.ndjson", "--source", "urn:corrected")
    listing = ("quarantine", "list", "--source", "urn:corrected", "--json")
    before = salus(*listing)[1]
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"resourceType":"Organization","id":"c","name":"x"}')
    retry = ("quarantine", "retry", json.loads(before)["id"], "--with", wrong)
    code, _, complaint = salus(*retry)
    assert (code, "--other-resource" in complaint) == (2, True)
    wrong.write_text("{broken")
    code, output, complaint = salus(*retry, "--json")
    assert (code, json.loads(output)["rejected"]) == (2, 1)
    assert "stays in quarantine as it was" in complaint
    assert salus(*listing)[1] == before
    assert salus(*retry[:-1], tmp_path / "absent.json")[0] == 1
    wrong.write_text('{"resourceType":"Patient","id":"c"}')
    assert salus(*retry)[0] == 0
    assert "Corrected, and stored as Patient/" in salus(*listing)[1]


def test_a_load_tells_of_references_to_nothing(salus, tmp_path):
    lost = {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "subject": {"reference": "urn:uuid:1"}}
    (tmp_path / "lost.ndjson").write_text(json.dumps(lost))
    code, output, _ = salus("load", tmp_path / "lost.ndjson", "--source", "urn:lost")
    assert code == 0
    assert "1 references (urn:uuid: or urn:oid:) lead to nothing in their file" in output


def test_looking_for_nobody_says_so(salus, node, capsys):
    assert salus("persons", "find", "urn:x|nobody")[:2] == (1, "No Patient here has this identifier.\n")
    assert main(["persons", "find", "--data", str(node), "urn:x|nobody"]) == 1
    assert "No Patient" in capsys.readouterr().out


def test_load_says_by_report_and_exit_code_what_became_of_the_files(salus, tmp_path):
    citizens, bad = tmp_path / "c.ndjson", tmp_path / "bad.ndjson"
    assert salus("synth", "--persons", 3, "--country", "EE", "--seed", 1, "--out", citizens)[0] == 0
    code, output, _ = salus("load", citizens, "--source", "urn:a", "--json")
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
    assert salus("load", bad, "--source", "urn:gender", "--json")[0] == 2
    listed = json.loads(salus("quarantine", "list", "--source", "urn:gender", "--json")[1])
    assert (listed["line"], listed["expression"]) == (1, "Patient.gender")
    code, output, _ = salus("quarantine", "show", listed["id"])
    assert code == 0
    assert "OperationOutcome" in output
    assert salus("quarantine", "retry", listed["id"])[0] == 2
    assert salus("load", tmp_path / "missing")[0] == 1
    assert salus("persons", "propose")[0] == 0
