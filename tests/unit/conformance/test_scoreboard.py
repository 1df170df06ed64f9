"""The scoreboard plays what it finds, names what it cannot play, and its floor only rises."""

import json

import msgspec
import pytest
from conformance.scoreboard.__main__ import main
from conformance.scoreboard.floor import below_floor, raised, read_floor, write_floor
from conformance.scoreboard.suite import Case, Score, Suite, Tally, score_of
from conformance.scoreboard.table import suites

CASES = [
    {"group": "g", "name": "right", "expression": "1 + 1", "outputs": [{"type": "integer", "value": "2"}]},
    {"group": "g", "name": "wrong", "expression": "1 + 1", "outputs": [{"type": "integer", "value": "3"}]},
    {"group": "g", "name": "other type", "expression": "1", "outputs": [{"type": "string", "value": "1"}]},
    {"group": "g", "name": "refused", "expression": "1 +", "invalid": "syntax", "outputs": []},
    {"group": "g", "name": "not refused", "expression": "1", "invalid": "semantic", "outputs": []},
    {"group": "g", "name": "no file", "inputfile": "none.xml", "expression": "1", "outputs": []},
    {"group": "g", "name": "empty", "expression": "{}", "outputs": []},
    {
        "group": "g",
        "name": "predicate",
        "expression": "{}",
        "predicate": "true",
        "outputs": [{"type": "boolean", "value": "false"}],
    },
]
PATCHES = [
    {"comment": "right", "doc": {"a": 1}, "patch": [{"op": "remove", "path": "/a"}], "expected": {}},
    {"comment": "wrong", "doc": {"a": 1}, "patch": [{"op": "remove", "path": "/a"}], "expected": {"a": 1}},
    {"comment": "refused", "doc": {}, "patch": [{"op": "remove", "path": "/a"}], "error": "no such member"},
    {"comment": "left out", "doc": {}, "patch": [], "expected": {"a": 1}, "disabled": True},
]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "suites"
    (root / "fhirpath-elsewhere" / "input").mkdir(parents=True)
    (root / "fhirpath-elsewhere" / "tests.json").write_text(json.dumps(CASES))
    (root / "fhir-patch-elsewhere").mkdir()
    (root / "fhir-patch-elsewhere" / "some.json").write_text(json.dumps(PATCHES))
    (root / "never-heard-of").mkdir()
    return root


def run(folder, *more):
    output = folder.parent / "output"
    floor = folder.parent / "floor.toml"
    return main([str(folder), "--output", str(output), "--floor", str(floor), *more])


def test_every_suite_is_one_line_of_json(folder, capsys):
    assert run(folder) == 0
    printed = capsys.readouterr()
    assert [json.loads(line) for line in printed.out.splitlines()] == [
        {"suite": "fhir-patch-r4", "passed": 2, "failed": 1, "total": 3},
        {"suite": "fhirpath-r4", "passed": 4, "failed": 4, "total": 8},
    ]
    assert "never-heard-of: no runner yet" in printed.err


def test_failing_cases_are_written_down_with_their_reason(folder):
    run(folder)
    lines = (folder.parent / "output" / "fhirpath-r4.failures.jsonl").read_text().splitlines()
    found = {one["case"]: one["reason"] for one in map(json.loads, lines)}
    assert sorted(found) == ["g/no file", "g/not refused", "g/other type", "g/wrong"]
    assert all(found.values())


def test_a_score_below_the_floor_ends_with_one(folder, capsys):
    (folder.parent / "floor.toml").write_text("fhirpath-r4 = 0.9\n")
    assert run(folder) == 1
    assert "below the floor" in capsys.readouterr().err


def test_the_floor_rises_and_never_falls(folder):
    path = folder.parent / "floor.toml"
    write_floor(path, {"fhirpath-r4": 0.9, "fhir-patch-r4": 0.1, "elsewhere": 0.5})
    assert run(folder, "--raise-floor") == 1
    assert read_floor(path) == {"fhirpath-r4": 0.9, "fhir-patch-r4": 0.6666, "elsewhere": 0.5}


def json_parsing(folder):
    folder.mkdir(parents=True)
    (folder / "cases.jsonl").write_text(json.dumps({"name": "n", "expect": "accept", "b64": "W10="}))
    return {"suite": "json-parsing", "passed": 1, "failed": 0, "total": 1}


@pytest.mark.parametrize("place", ["json-parsing", "suites/json-parsing", "all/suites/json-parsing"])
def test_a_suite_is_found_as_the_folder_itself_in_it_or_one_level_down(tmp_path, capsys, place):
    line = json_parsing(tmp_path / place)
    assert run(tmp_path / place.split("/")[0]) == 0
    assert json.loads(capsys.readouterr().out) == line


def test_the_default_folders_are_all_played(tmp_path, monkeypatch, capsys, folder):
    json_parsing(tmp_path / "vectors" / "json-parsing")
    monkeypatch.setattr("conformance.scoreboard.__main__._SUITES_DEFAULT", (folder, tmp_path / "vectors"))
    main(["--output", str(tmp_path / "output")])
    names = [json.loads(line)["suite"] for line in capsys.readouterr().out.splitlines()]
    assert names == ["fhir-patch-r4", "fhirpath-r4", "json-parsing"]


def test_cases_of_weaker_rules_are_counted_apart():
    suite = Suite("suite", lambda folder: True, lambda folder: iter(()))
    score = score_of(
        suite, [Case("a"), Case("b", "wrong"), Case("c", "wrong", "should"), Case("d", "", "may")]
    )
    assert score == Score("suite", 1, 1, 2, {"may": Tally(1, 0), "should": Tally(0, 1)})
    assert json.loads(msgspec.json.encode(score))["apart"]["should"] == {"passed": 0, "failed": 1}


def test_a_raised_floor_is_met_by_the_score_that_raised_it():
    score = Score("suite", 2, 1, 3)
    assert below_floor([score], raised({}, [score])) == []


def test_a_folder_that_is_missing_is_told(tmp_path, capsys):
    assert main([str(tmp_path / "none")]) == 2
    assert "skipped" in capsys.readouterr().err


def test_the_default_folder_may_be_absent(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("conformance.scoreboard.__main__._SUITES_DEFAULT", (tmp_path / "none",))
    assert main([]) == 0
    assert "skipped" in capsys.readouterr().err


def test_suites_have_names_of_their_own():
    names = [suite.name for suite in suites()]
    assert len(set(names)) == len(names)


def test_json_cases_are_played(tmp_path, capsys):
    vectors = tmp_path / "suites" / "json-parsing"
    vectors.mkdir(parents=True)
    cases = [("W10=", "accept"), ("Ww==", "refuse"), ("eyJhIjoxLCJhIjoyfQ==", "accept"), ("WzFd", "either")]
    lines = [json.dumps({"name": body, "expect": expect, "b64": body}) for body, expect in cases]
    (vectors / "cases.jsonl").write_text("\n".join(lines))
    assert run(tmp_path / "suites") == 0
    assert json.loads(capsys.readouterr().out) == {
        "suite": "json-parsing",
        "passed": 3,
        "failed": 0,
        "total": 3,
    }
