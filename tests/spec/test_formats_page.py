"""docs/formats.md: its example is what `salus convert` prints, and its tables name what is there."""

from pathlib import Path

import pytest

from salus.cli.main import main
from salus.standards.cda.entries.registry import kinds
from salus.standards.cda.header import document_kinds
from salus.standards.cda.sections import sections

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")


def test_the_example_is_what_the_command_prints(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    example = PAGE.partition("$ salus convert ")[2].partition("```")[0]
    command, _, expected = example.partition("\n")
    assert main(["convert", *command.split()]) == 2
    assert capsys.readouterr().out == expected


def test_the_examples_document_becomes_a_valid_summary_and_comes_back(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    summary, back = tmp_path / "summary.json", tmp_path / "summary.xml"
    assert main(["convert", "docs/examples/summary.xml", "--out", str(summary)]) == 0
    assert main(["check", str(summary), "--packages", str(tmp_path)]) == 0
    assert main(["convert", str(summary), "--to", "cda", "--out", str(back)]) == 0
    assert b"1.3.6.1.4.1.12559.11.10.1.3.1.1.3" in back.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.md", b"# text", "no standard"),
        ("b.xml", b'<section xmlns="urn:hl7-org:v3"/>', "part of a CDA document"),
        ("c.xml", b'<ClinicalDocument xmlns="urn:hl7-org:v3">', "well-formed"),
    ],
)
def test_what_cannot_be_converted_is_one_line_that_says_why(tmp_path, capsys, name, content, told):
    (tmp_path / name).write_bytes(content)
    assert main(["convert", str(tmp_path / name)]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_every_kind_of_document_has_its_row():
    missing = [
        kind.codes[0] for kind in document_kinds().values() if kind.codes and kind.codes[0] not in PAGE
    ]
    assert missing == []


def test_every_section_is_read_by_a_kind_of_entry_that_is_there():
    assert {each.entry for each in sections().values() if each.entry} <= kinds().keys()
