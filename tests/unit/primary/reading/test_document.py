"""A summary document in the reader's language, with the source's words beside ours."""

import msgspec
import pytest

from salus.primary.left_out import write_not_shown, write_older
from salus.primary.reading.document import read_document
from salus.primary.reading.entry import read_entry
from salus.primary.reading.own_text import html_of
from salus.primary.reading.people import person_name

ASTHMA = {"system": "http://hl7.org/fhir/sid/icd-10", "code": "J45.9"}
PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Silva", "given": ["Ana"]}]}
DOCUMENT = {
    "resourceType": "Bundle",
    "type": "document",
    "entry": [
        {
            "fullUrl": "urn:uuid:1",
            "resource": {
                "resourceType": "Composition",
                "title": "Resumo",
                "date": "2026-05-01",
                "subject": {"reference": "urn:uuid:2"},
                "author": [{"display": "Hospital de Lisboa"}],
                "section": [
                    {
                        "title": "Problemas do doente",
                        "code": {"coding": [{"system": "http://loinc.org", "code": "11450-4"}]},
                        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Asma</div>'},
                        "entry": [{"reference": "Condition/c"}, {"reference": "urn:uuid:gone"}],
                    },
                    {"title": "Alergias", "code": {"coding": [{"code": "48765-2"}]}},
                    {
                        "title": "Dispositivos",
                        "code": {"coding": [{"code": "46264-8"}]},
                        "emptyReason": {"coding": [{"code": "notasked"}]},
                    },
                    {"title": "Notas", "code": {"coding": [{"code": "0-0"}]}},
                ],
            },
        },
        {
            "fullUrl": "urn:uuid:2",
            "resource": PATIENT,
        },
        {
            "fullUrl": "urn:uuid:3",
            "resource": {
                "resourceType": "Condition",
                "id": "c",
                "code": {"text": "Asma", "coding": [ASTHMA]},
            },
        },
    ],
}  # fmt: skip


def problems_of(reading):
    return next(section for section in reading.sections if section.key == "problems")


@pytest.mark.parametrize(
    ("language", "title", "what"), [("et", "Terviseprobleemid", "Astma"), ("en", "Problems", "Asthma")]
)
def test_sections_read_in_the_chosen_language_beside_the_original(language, title, what):
    summary = read_document(DOCUMENT, language)
    section = problems_of(summary)
    assert (section.title, section.original) == (title, "Problemas do doente")
    assert [(entry.original, entry.translated) for entry in section.entries] == [("Asma", True)]
    assert what in section.entries[0].what.title()
    assert [html_of(block.root) for block in section.own_text] == ["<div>Asma</div>"]
    assert (summary.patient, summary.authors) == ("Ana Silva", ("Hospital de Lisboa",))
    assert (summary.entries, summary.translated) == (1, 1)


def test_a_term_without_a_wording_stays_as_written_and_is_marked():
    document = msgspec.json.decode(msgspec.json.encode(DOCUMENT).replace(b"J45.9", b"Z99.9"))
    summary = read_document(document, "et")
    assert [(e.what, e.translated) for e in problems_of(summary).entries] == [("Asma", False)]
    assert (summary.entries, summary.translated) == (1, 0)


def test_an_empty_section_says_why_and_never_none_known_by_itself():
    missing = {
        section.original or section.title: section.missing
        for section in read_document(DOCUMENT, "en").sections
    }
    none = "Nothing recorded"
    assert missing == {
        "Problemas do doente": "",
        "Alergias": none,
        "Dispositivos": "Not asked",
        "Notas": none,
    }


def test_a_section_the_table_does_not_know_keeps_its_own_title():
    assert read_document(DOCUMENT, "et").sections[-1].title == "Notas"


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([{"given": ["Mi"]}, {"use": "official", "given": ["Ana", "Rita"], "family": "Sá"}], "Ana Rita Sá"),
        ([{"text": "Dr Tamm"}], "Dr Tamm"),
        ("Hospital de Lisboa", "Hospital de Lisboa"),
        ([], ""),
    ],
)
def test_a_person_is_called_by_the_official_name(names, shown):
    assert person_name({"name": names}) == shown


def test_entries_that_the_document_names_and_does_not_hold_are_counted():
    summary = read_document(DOCUMENT, "en")
    assert problems_of(summary).notes == ("1 entry named here is not in the document",)
    assert all(not section.notes for section in summary.sections if section.key != "problems")


def text_of(*blocks):
    inner = "".join(f'<div lang="{code}" xml:lang="{code}"><p>{text}</p></div>' for code, text in blocks)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'}


def test_the_documents_own_text_is_apart_by_language_the_readers_first():
    document = msgspec.json.decode(msgspec.json.encode(DOCUMENT))
    document["entry"][0]["resource"]["section"][0]["text"] = text_of(("pt", "Asma"), ("en", "Asthma"))
    blocks = problems_of(read_document(document, "en")).own_text
    assert [block.language for block in blocks] == ["en", "pt"]
    assert "Asthma" in html_of(blocks[0].root)


def test_a_narrative_of_no_named_language_is_one_block():
    assert [block.language for block in problems_of(read_document(DOCUMENT, "en")).own_text] == [""]


@pytest.mark.parametrize(("language", "told"), [("en", "visits 2"), ("et", "visiidid 2")])
def test_what_a_document_leaves_out_is_told_in_the_readers_language(language, told):
    document = msgspec.json.decode(msgspec.json.encode(DOCUMENT))
    composition = document["entry"][0]["resource"]
    composition["extension"] = write_not_shown({"Encounter": 2})
    composition["section"][0]["extension"] = write_older(7)
    summary = read_document(document, language)
    assert told in summary.notes[0]
    assert problems_of(summary).notes[-1].endswith(": 7")
    assert not any(told in note for note in read_document(DOCUMENT, language).notes)


@pytest.mark.parametrize(
    "extension", [[], [{}], [{"url": "urn:salus:not-shown"}], [{"url": "urn:salus:older"}]]
)
def test_what_is_said_to_be_left_out_is_not_taken_for_granted(extension):
    document = msgspec.json.decode(msgspec.json.encode(DOCUMENT))
    document["entry"][0]["resource"]["extension"] = extension
    assert [note for note in read_document(document, "en").notes if "Not shown" in note] == []


def test_a_detail_in_the_sources_words_is_marked():
    problem = {"resourceType": "Condition", "code": {"text": "X"}, "note": [{"text": "single kidney"}]}
    assert read_entry(problem, {}, "pt").details == ("nota: single kidney (texto original)",)


@pytest.mark.parametrize("language", ["en", "et", "pt", "fr"])
def test_our_own_word_for_an_entry_without_a_name_is_not_said_to_be_the_sources(language):
    entry = read_entry({"resourceType": "Encounter", "id": "e1", "status": "finished"}, {}, language)
    assert entry.what
    assert entry.original == ""
