"""Templates of the tx-ecosystem suite: what each mark lets through; a folder is played."""

import json

import pytest
from conformance.scoreboard.suites.tx_ecosystem import SUITE
from conformance.scoreboard.templates import difference

ISSUE = {"severity": "error", "code": "invalid", "details": {"text": "theirs"}, "expression": ["code"]}


@pytest.mark.parametrize(
    ("template", "answer", "fits"),
    [
        ({"a": "$$"}, {"a": "anything"}, True),
        ({"a": "$uuid$"}, {"a": "urn:uuid:00000000-0000-4000-8000-000000000000"}, True),
        ({"a": "$uuid$"}, {"a": "none"}, False),
        ({"a": "$instant$"}, {"a": "2026-01-01T00:00:00Z"}, True),
        ({"a": "$choice:x|y$"}, {"a": "y"}, True),
        ({"a": "$choice:x|y$"}, {"a": "z"}, False),
        ({"a": "s|$version$"}, {"a": "s|4.0.1"}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1, "$optional-properties$": ["a"]}, {}, True),
        ({"a": 1}, {}, False),
        ({}, {"a": 1}, False),
        ({"parameter": [{"name": "a", "$optional$": True}]}, {"parameter": []}, True),
        ({"parameter": [{"name": "a", "$optional$": "!tx.fhir.org"}]}, {}, True),
        ({"parameter": [{"name": "a", "$optional$": "version:5"}]}, {"parameter": []}, False),
        ({"parameter": [{"name": "a"}, {"name": "b"}]}, {"parameter": [{"name": "b"}, {"name": "a"}]}, True),
        ({"parameter": [{"name": "a"}]}, {"parameter": [{"name": "a"}, {"name": "b"}]}, False),
        (
            {"parameter": [{"name": "message", "valueString": "x"}]},
            {"parameter": [{"name": "message", "valueString": "y"}]},
            True,
        ),
        ({"parameter": [{"name": "message", "valueString": "x"}]}, {"parameter": []}, False),
        ({"issue": [ISSUE]}, {"issue": [ISSUE | {"details": {"text": "ours"}, "location": ["code"]}]}, True),
        ({"issue": [ISSUE]}, {"issue": [ISSUE | {"severity": "warning"}]}, False),
        ({"issue": [ISSUE]}, {"issue": [ISSUE | {"expression": ["system"]}]}, False),
        ({"contains": [{"code": "a"}, {"code": "b"}]}, {"contains": [{"code": "b"}, {"code": "a"}]}, True),
        ({"contains": [{"code": "a"}]}, {"contains": [{"code": "b"}]}, False),
        ({"x": [1, 2], "$count-arrays$": ["x"]}, {"x": [3, 4]}, True),
    ],
)
def test_a_template_lets_through_what_its_marks_say(template, answer, fits):
    assert (difference(template, answer) == "") is fits


def test_a_folder_is_played_case_by_case(tmp_path):
    (tmp_path / "fhir-packages").mkdir()  # no package beside it
    folder = tmp_path / "suites" / "fhir-tx-elsewhere"
    folder.mkdir(parents=True)
    system = {
        "resourceType": "CodeSystem",
        "url": "urn:s",
        "status": "active",
        "content": "complete",
        "concept": [{"code": "a"}],
    }
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "system", "valueUri": "urn:s"}, {"name": "code", "valueCode": "a"}],
    }
    right = {
        "resourceType": "Parameters",
        "parameter": [{"name": "code", "valueCode": "a"}, {"name": "$$", "$optional$": True}],
    }
    case = {"name": "one", "operation": "lookup", "request": "ask.json", "response": "right.json"}
    tests = [
        case,
        case | {"name": "two", "http-code": "4xx"},
        case | {"name": "three", "operation": "compare"},
        {"name": "four", "operation": "metadata", "response": "statement.json"},
        {"name": "five", "operation": "term-caps", "response": "capabilities.json"},
    ]
    files = {
        "test-cases.json": {"suites": [{"name": "s", "setup": ["s.json"], "tests": tests}]},
        "s.json": system,
        "ask.json": asked,
        "right.json": right,
        "statement.json": {"resourceType": "CapabilityStatement", "$optional-properties$": ["*"]},
        "capabilities.json": {"resourceType": "CapabilityStatement"},
    }
    for name, content in files.items():
        (folder / name).write_text("\ufeff" + json.dumps(content), encoding="utf-8")
    assert SUITE.recognises(folder)
    found = {case.name: case.failure for case in SUITE.play(folder)}
    assert "not expected" in found["s/one"]
    assert found["s/two"].startswith("status 200, not 4xx")
    assert "not played" in found["s/three"]
    assert "not expected" in found["s/four"]
    assert ".closure: not expected" in found["s/five"]
