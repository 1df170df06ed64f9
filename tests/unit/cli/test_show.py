"""`salus show`: a document on the terminal, as a page, as a PDF; nothing of it steers the terminal."""

import json

import pytest
from tests.unit.primary.reading.documents import DISPENSATION, SUMMARY

from salus.cli.main import main


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(SUMMARY))
    return path


def test_a_document_is_shown_in_the_language_asked_for(file, capsys):
    assert main(["show", str(file), "--language", "de"]) == 0
    assert "# Das Wichtigste zuerst" in capsys.readouterr().out.splitlines()


def test_a_document_is_written_as_a_page_and_as_a_pdf(file, tmp_path, capsys):
    page, pdf = tmp_path / "out.html", tmp_path / "out.pdf"
    assert main(["show", str(file), "--html", str(page), "--pdf", str(pdf)]) == 0
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert capsys.readouterr().out == ""


def test_what_a_document_says_does_not_steer_the_terminal(tmp_path, capsys):
    path = tmp_path / "evil.json"
    path.write_text(json.dumps(DISPENSATION | {"note": [{"text": "\x1b[2J\u202eevil"}]}))
    main(["show", str(path)])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_file_that_holds_no_document_is_refused(tmp_path, capsys):
    path = tmp_path / "x.json"
    path.write_text('{"resourceType": "Pdf"}')
    assert main(["show", str(path)]) == 1
    assert "salus check" in capsys.readouterr().err
