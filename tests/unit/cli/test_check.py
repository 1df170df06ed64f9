"""`salus check` on a machine without packages: verdicts, exit codes, reports."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from salus.cli.main import main

LOINC = "http://loinc.org"
GOOD = {
    "resourceType": "Patient",
    "active": True,
    "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"},
}


@pytest.fixture
def check(tmp_path_factory, capsys, monkeypatch):
    """Return a function: (*words) -> exit code and printed text, in a folder of its own and without
    packages.
    """
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("HOME", str(home))

    def run(*words: object) -> tuple[int, str]:
        code = main(["check", *map(str, words)])
        return code, capsys.readouterr().out

    return run


def written(folder: Path, name: str, resource: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(resource, indent=1) if not isinstance(resource, str) else resource)
    return path


def summary(**changes: Any) -> dict[str, Any]:
    composition = {"resourceType": "Composition", "type": {"coding": [{"system": LOINC, "code": "60591-5"}]}}
    entries = [
        {"fullUrl": "urn:uuid:6f0c1e0e-0000-4000-8000-000000000001", "resource": composition | changes}
    ]
    return {"resourceType": "Bundle", "type": "document", "entry": entries}


def test_a_file_without_errors(check, tmp_path):
    code, out = check(written(tmp_path, "a.json", GOOD))
    assert code == 0
    assert "0 errors" in out


def test_an_error_is_told_with_its_line(check, tmp_path):
    code, out = check(written(tmp_path, "a.json", GOOD | {"gender": "unheard-of"}))
    assert code == 1
    assert "line 8\terror\tPatient.gender" in out


@pytest.mark.parametrize("content", ["", "{", "[]", "<Patient", '{"a":1,"a":2}'])
def test_what_cannot_be_read(check, tmp_path, content):
    code, out = check(written(tmp_path, "a.json", content), written(tmp_path, "b.json", GOOD))
    assert code == 2
    assert "unreadable" in check("--json", tmp_path / "a.json")[1]
    assert "b.json: 0 errors" in out


def test_a_file_that_is_not_there(check, tmp_path):
    assert check(tmp_path / "absent.json")[0] == 2


def test_json_is_a_line_a_file(check, tmp_path):
    written(tmp_path, "a.json", GOOD)
    written(tmp_path, "b.json", summary())
    code, out = check("--json", tmp_path)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [set(row) for row in rows] == [{"file", "category", "profiles", "milliseconds", "outcome"}] * 2
    assert [Path(row["file"]).name for row in rows] == ["a.json", "b.json"]
    assert rows[0]["category"] is None
    assert rows[1]["category"] == "patient-summary"
    assert rows[1]["profiles"] == ["http://hl7.eu/fhir/eps/StructureDefinition/bundle-eu-eps"]
    assert rows[1]["outcome"]["resourceType"] == "OperationOutcome"
    issues = rows[1]["outcome"]["issue"]
    assert any(one["severity"] == "error" and "expression" in one for one in issues)


def test_the_shipped_rules_judge_a_patient_summary_without_any_package(check, tmp_path):
    code, out = check(written(tmp_path, "a.json", summary()))
    assert code == 1
    assert "bundle-eu-eps requires 1 of entry:patient" in out


def test_lines_of_ndjson_are_files(check, tmp_path):
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(
        gzip.compress(f"{json.dumps(GOOD)}\n\n{json.dumps({'resourceType': 'Patient', 'x': 1})}\n".encode())
    )
    code, out = check("--json", path)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [row["file"].rpartition(":")[2] for row in rows] == ["1", "3"]


def test_xml_is_read_too(check, tmp_path):
    xml = '<Patient xmlns="http://hl7.org/fhir">\n <gender value="unheard-of"/>\n</Patient>'
    code, out = check(written(tmp_path, "a.xml", xml))
    assert code == 1
    assert "line 2\terror\tPatient.gender" in out


def test_a_profile_can_be_named(check, tmp_path):
    profile = "http://hl7.eu/fhir/base/StructureDefinition/patient-eu-core"
    code, out = check("--profile", profile, written(tmp_path, "a.json", GOOD))
    assert code == 1
    assert f"by {profile}" in out


def test_reports_for_a_pipeline(check, tmp_path):
    good, bad = written(tmp_path, "a.json", GOOD), written(tmp_path, "b.json", GOOD | {"gender": "x"})
    broken = written(tmp_path, "c.json", "{")
    check(good, bad, broken, "--junit", tmp_path / "out.xml", "--sarif", tmp_path / "out.sarif")
    suite = etree.fromstring((tmp_path / "out.xml").read_bytes())
    assert dict(suite.attrib) | {"time": ""} == {
        "name": "salus check", "tests": "3", "failures": "1", "errors": "1", "time": "",
    }  # fmt: skip
    assert "Patient.gender" in suite[1][0].text
    sarif = json.loads((tmp_path / "out.sarif").read_bytes())
    assert sarif["version"] == "2.1.0"
    places = [
        (row["ruleId"], row["locations"][0]["physicalLocation"]["region"]["startLine"])
        for row in sarif["runs"][0]["results"]
        if row["level"] == "error"
    ]
    assert places == [("binding-required", 8), ("unreadable", 1)]


def test_200_files_start_once(check, tmp_path):
    for number in range(200):
        written(tmp_path, f"{number}.json", GOOD)
    code, out = check("--json", tmp_path)
    assert (code, len(out.splitlines())) == (0, 200)


def test_installed_packages_are_used(check, tmp_path, capsys):
    folder = tmp_path / "packages" / "guide#1.0.0" / "package"
    folder.mkdir(parents=True)
    written(folder, "package.json", {"name": "guide", "version": "1.0.0", "fhirVersions": ["4.0.1"]})
    url = "http://guide.test/p"
    rules = {"differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]}}
    base = "http://hl7.org/fhir/StructureDefinition/Patient"
    definition = {
        "resourceType": "StructureDefinition",
        "url": url,
        "type": "Patient",
        "derivation": "constraint",
    }
    written(folder, "p.json", definition | {"baseDefinition": base, "kind": "resource"} | rules)
    file = written(tmp_path, "a.json", GOOD | {"meta": {"profile": [url]}})
    assert check(file)[0] == 0
    code, out = check("--packages", tmp_path / "packages", file)
    assert code == 1
    assert "p requires name; add it." in out
    assert main(["packages", "list", "--packages", str(tmp_path / "packages")]) == 0
    assert "guide#1.0.0" in capsys.readouterr().out
    assert main(["packages", "remove", "guide@1.0.0", "--packages", str(tmp_path / "packages")]) == 0
    assert main(["packages", "remove", "guide", "--packages", str(tmp_path / "packages")]) == 1


def test_what_must_be_supported_is_told_when_asked_for(check, tmp_path):
    profile = "http://hl7.org/fhir/uv/ips/StructureDefinition/Patient-uv-ips"
    file = written(tmp_path, "a.json", GOOD | {"name": [{"family": "x"}]})
    _, out = check("--must-support", "--profile", profile, file)
    assert f"must support\tPatient\tby {profile}" in out
    assert "not there\tPatient.birthDate" in out
    _, out = check("--must-support", "--json", "--profile", profile, file)
    assert "Patient.birthDate" in json.loads(out.splitlines()[1])["mustSupport"]["absent"]


def test_a_folder_without_files_is_no_good_news(check, tmp_path):
    (tmp_path / "empty").mkdir()
    code, out = check(tmp_path / "empty")
    assert code == 2
    assert "no file to check" in out


def test_a_named_profile_that_is_not_at_hand_is_an_error(check, tmp_path):
    code, out = check("--profile", "http://guide.test/absent", written(tmp_path, "a.json", GOOD))
    assert code == 1
    assert "is not at hand" in out


def test_a_file_that_is_no_json_is_told_with_its_line(check, tmp_path):
    assert "line 2\terror" in check(written(tmp_path, "a.json", '{"a": 1,\n"b" 2}'))[1]


def test_a_report_is_signed_by_a_node_and_verified(check, tmp_path, capsys):
    main(
        [
            "node",
            "init",
            "--data",
            str(tmp_path / "node"),
            "--country",
            "EE",
            "--name",
            "Estonia",
            "--port",
            "1",
        ]
    )
    node = ("--data", tmp_path / "node")
    good, other = written(tmp_path, "a.json", GOOD), written(tmp_path, "b.json", GOOD | {"active": False})
    report, unsigned = tmp_path / "report.jws", tmp_path / "report.json"
    assert check(good, "--report", report, *node)[0] == 0
    code, out = check("--verify-report", report, *node, good)
    assert code == 0
    assert "VERIFIED: signed by Estonia (ee-1" in out
    assert "a.json: is in the report" in out
    assert check("--verify-report", report, *node, other)[0] == 1
    members = json.loads(next((tmp_path / "node").rglob("federation.jwk")).read_bytes())
    public = {"keys": [{name: one for name, one in members.items() if name != "d"}]}
    jwks = written(tmp_path, "jwks.json", public)
    assert check("--verify-report", report, "--keys", jwks)[0] == 0
    assert check("--verify-report", report, "--keys", written(tmp_path, "none.json", {"keys": []}))[0] == 2
    assert check("--verify-report", report, "--data", tmp_path / "nowhere")[0] == 2
    assert check(good, "--report", unsigned, "--data", tmp_path / "nowhere")[0] == 0
    assert json.loads(unsigned.read_bytes())["signer"] is None
    assert check("--verify-report", unsigned, *node)[0] == 2
