"""What a reader relies on: the important first, nothing dropped, nothing said that is not known."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.unit.primary.reading.documents import (
    BY_CATEGORY,
    DISCHARGE,
    LABORATORY,
    PRESCRIPTION,
    SUMMARY,
    between,
    judged,
    quantity,
    result,
)

from salus.core.errors import MalformedContent
from salus.primary.reading.document import BESIDE, read_document
from salus.primary.reading.model import Tone, entries_of
from salus.primary.reading.people import age
from salus.primary.reading.text import plain_text
from salus.primary.wording.catalogue import LANGUAGES
from salus.standards.fhir.shape import in_shape

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SHARED = Path(__file__).parents[5] / "shared" / "data" / "eehrxf" / "synderai"


def read(document, language="en"):
    return read_document(document, language, NOW)


def changed(document, kind, **members):
    """Return the document with the first resource of a kind changed; a member that is None is taken away."""
    copy = msgspec.json.decode(msgspec.json.encode(document))
    found = next(each["resource"] for each in copy["entry"] if each["resource"]["resourceType"] == kind)
    found.update(members)
    for name in [name for name, member in found.items() if member is None]:
        del found[name]
    return copy


def section_of(reading, key):
    return next(section for section in reading.sections if section.key == key)


def measured(**members):
    observation = result("x", "1-1", "X", quantity(5, "mg"), "2026-01-01") | members
    return read({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": observation}]})


def test_allergies_problems_and_medicines_come_first_with_what_is_dangerous():
    reading = read(SUMMARY)
    assert [each.title for each in reading.highlights][:3] == [
        "Allergies and intolerances",
        "Problems",
        "Medicines",
    ]
    assert reading.highlights[0].lines[0].text == "Allergy to penicillin, high risk, SEVERE"
    assert reading.highlights[0].lines[0].tone is Tone.CRITICAL
    assert [section.key for section in reading.sections][:3] == ["allergies", "problems", "medications"]


def test_what_is_over_is_in_its_section_and_not_among_the_important():
    reading = read(SUMMARY)
    important = [line.text for line in reading.highlights[1].lines]
    assert not any("Πνευμονία" in text for text in important)
    assert "Πνευμονία" in [entry.what for entry in section_of(reading, "problems").entries]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_document_without_allergies_does_not_read_as_none_known(language):
    text = plain_text(read(DISCHARGE, language))
    assert read(DISCHARGE, language).highlights[0].lines[0].tone is Tone.ATTENTION
    assert "{" not in text


def test_sections_that_the_category_demands_and_the_document_lacks_are_said():
    missing = section_of(read(SUMMARY), "devices").missing
    assert missing == "The document has no such section. This does not mean that there is nothing."


def test_earlier_results_stand_behind_the_newest():
    entry = next(each for each in section_of(read(SUMMARY), "results").entries if each.earlier)
    assert entry.measure.found.text == "7.4 %"
    assert [old.measure.found.text for old in entry.earlier] == ["6.9 %", "6.1 %"]
    assert entry.date == "10 January 2026"


def test_results_of_one_moment_are_not_a_trend():
    same = [
        result(name, "718-7", "Hb", quantity(value, "g/dL"), "2026-01-01")
        for name, value in (("a", 1), ("b", 2))
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in same]}
    assert [entry.earlier for entry in read(bundle).sections[0].entries] == [(), ()]


@pytest.mark.parametrize(
    ("members", "flag", "tone"),
    [
        (between(1, 4, "mg"), "above the reference range", Tone.HIGH),
        (between(6, 9, "mg"), "below the reference range", Tone.LOW),
        (between(1, 9, "mg"), "", Tone.PLAIN),
        (between(1, 4, "g"), "", Tone.PLAIN),
        (between(1, 4, "mg") | judged("N"), "normal", Tone.NORMAL),
        (between(1, 9, "mg") | judged("LL"), "CRITICALLY LOW", Tone.CRITICAL),
        ({"referenceRange": [{"low": quantity(6, "mg"), "age": {"low": quantity(1, "a")}}]}, "", Tone.PLAIN),
    ],
)
def test_a_value_is_judged_by_its_source_or_its_own_range_in_its_own_unit(members, flag, tone):
    measure = measured(**members).sections[0].entries[0].measure
    assert (", ".join(each.text for each in measure.flags), measure.tone) == (flag, tone)


def test_a_missing_value_says_why():
    entries = section_of(read(LABORATORY), "laboratory").sections[0].entries
    assert entries[2].measure.found.text == "no value: not performed"


def test_a_document_that_is_not_final_says_so_before_all():
    assert read(LABORATORY).warnings == ("This document is not final: preliminary",)
    wrong = changed(LABORATORY, "Composition", status="entered-in-error")
    assert read(wrong).warnings == ("Do not rely on this document: ENTERED IN ERROR",)
    assert read(SUMMARY).warnings == ()


def test_a_kind_that_cannot_be_put_in_fields_is_shown_by_its_own_text():
    entry = section_of(read(SUMMARY), "functional-status").entries[0]
    assert (entry.is_read, entry.what) == (False, "clinical assessments")
    assert entry.own_text
    bare = changed(SUMMARY, "ClinicalImpression", text=None)
    assert "read it at the source" in section_of(read(bare), "functional-status").entries[0].fields[0].text


def test_a_section_whose_text_cannot_be_shown_does_not_read_as_empty():
    told = {"status": "additional", "div": "<div>x"}
    broken = {**SUMMARY["entry"][0]["resource"]["section"][5], "text": told}
    section = section_of(read(changed(SUMMARY, "Composition", section=[broken])), "vital-signs")
    assert section.missing == ""
    assert section.notes == ("The source gives a text that cannot be shown here; read it at the source.",)


def test_what_no_section_names_stands_in_a_section_of_its_own():
    last = read(SUMMARY).sections[-1]
    assert (last.title, [entry.reference for entry in last.entries]) == (
        "Further entries, which no section names",
        ["Goal/g"],
    )


def shown_references(reading):
    waiting = list(entries_of(reading.sections))
    found = set()
    while waiting:
        entry = waiting.pop()
        found.add(entry.reference)
        waiting += entry.parts
    return found


def resources_of(document):
    return [each["resource"] for each in document.get("entry", [])] or [document]


def assert_nothing_is_dropped(document):
    reading = read(document)
    told = {"Encounter"}
    held = [each for each in resources_of(document) if each["resourceType"] not in BESIDE | told]
    missing = {f"{each['resourceType']}/{each['id']}" for each in held} - shown_references(reading)
    text = plain_text(reading)
    assert {each for each in missing if "MedicationRequest" not in each or "prescribed" not in text} == set()


@pytest.mark.parametrize("category", BY_CATEGORY)
def test_no_entry_is_dropped(category):
    assert_nothing_is_dropped(BY_CATEGORY[category])


@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data beside the checkout")
@pytest.mark.parametrize("kind", ["EPS", "HDR"])
def test_no_entry_of_a_synthetic_european_record_is_dropped(kind):
    with gzip.open(SHARED / f"{kind}.ndjson.gz") as file:
        for line in file.readlines()[:3]:
            assert_nothing_is_dropped(json.loads(line))


@pytest.mark.parametrize(
    ("born", "at", "told"),
    [
        ("1965-01-15", "2026-01-14", "60 years"),
        ("1965-01-15", "2026-01-15", "61 years"),
        ("2024-07-01", "2026-05-31", "22 months"),
        ("2026-05-01", "2026-05-31", "0 months"),
        ("1965", "2026-01-15", ""),
        ("2027-01-01", "2026-01-15", ""),
        ("", "2026-01-15", ""),
    ],
)
def test_an_age_is_told_where_the_day_of_birth_is_known(born, at, told):
    assert age(born, at, "en") == told


def test_a_person_who_has_died_is_as_old_as_on_that_day():
    dead = changed(PRESCRIPTION, "Patient", deceasedDateTime="2025-01-01T10:00:00Z")
    fields = {field.label: field.text for field in read(dead).person}
    assert (fields["Age"], fields["Died"]) == ("59 years", "1 January 2025, 10:00 (UTC)")


@pytest.mark.parametrize("document", [{}, {"resourceType": "Pdf"}, {"resourceType": 5}, {"type": "document"}])
def test_what_is_no_resource_is_refused_with_the_next_step(document):
    with pytest.raises(MalformedContent, match="salus check"):
        read(document)


MANGLED = [
    ("entry", "text"), ("entry", [None, 5, {"resource": "x"}, {"resource": {"resourceType": "Composition"}}]),
    ("entry", {"resource": {"resourceType": "Composition", "section": "x", "author": [3], "date": []}}),
    ("identifier", []), ("timestamp", {}),
]  # fmt: skip


@pytest.mark.parametrize(("member", "value"), MANGLED)
def test_a_mangled_document_is_read_as_far_as_it_goes_and_says_how_much_was_left_out(member, value):
    reading = read(SUMMARY | {member: value})
    assert reading.title
    assert any("not in the form of FHIR R4" in note for note in reading.notes) or isinstance(value, dict)


WRONG = (5, "x", [], {}, [[]], [5], {"a": {"b": []}}, None)


@pytest.mark.parametrize("category", ["patient-summary", "medical-imaging", "electronic-prescription"])
def test_every_member_may_have_any_wrong_shape(category):
    for resource in resources_of(BY_CATEGORY[category]):
        for member in resource.keys() - {"resourceType"}:
            for wrong in WRONG:
                assert read(resource | {member: wrong}).title


def test_the_head_of_a_document_may_have_any_wrong_shape():
    for member in ("section", "author", "subject", "attester", "encounter", "date"):
        for wrong in WRONG:
            assert read(changed(LABORATORY, "Composition", **{member: wrong})).title


def test_a_member_alone_where_a_list_belongs_is_taken_and_a_list_for_one_counted():
    shaped = in_shape(
        {"resourceType": "Patient", "name": {"family": "Ω"}, "birthDate": ["1965", "1966"], "x": 1}
    )
    assert shaped.resource == {"resourceType": "Patient", "name": [{"family": "Ω"}], "birthDate": "1965"}
    assert shaped.left_out == 2


def test_a_reader_of_the_documents_language_sees_no_mark_of_a_foreign_one():
    from salus.primary.reading.html import page

    assert "<i lang" not in page(read(SUMMARY, "el"))
    assert '<i lang="el">' in page(read(SUMMARY, "en"))
