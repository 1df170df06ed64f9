from __future__ import annotations

from typing import Any

import pytest
from tests.unit.standards.fhir.profiles.writing import book_of

from salus.standards.fhir.profiles.validator import check_profiles


def document(**changes: Any) -> dict[str, Any]:
    composition = {
        "resourceType": "Composition",
        "subject": {"reference": "urn:uuid:2"},
        "section": [{"title": "x", "entry": [{"reference": "urn:uuid:3"}]}],
    }
    return {
        "resourceType": "Bundle",
        "type": "document",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": composition | changes},
            {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Patient"}},
            {"fullUrl": "urn:uuid:3", "resource": {"resourceType": "Condition"}},
        ],
    }


def found(resource: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one.severity, one.message_id, one.expression) for one in check_profiles(resource, book_of())]


def test_a_document_whose_references_lead_to_entries_is_well():
    assert found(document()) == []


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"subject": {"reference": "urn:uuid:9"}}, "Bundle.entry[0].resource.subject"),
        ({"author": [{"reference": "Practitioner/9"}]}, "Bundle.entry[0].resource.author[0]"),
        (
            {"section": [{"section": [{"entry": [{"reference": "Condition/9"}]}]}]},
            "Bundle.entry[0].resource.section[0].section[0].entry[0]",
        ),
    ],
)
def test_a_reference_to_no_entry_is_an_error(changes, place):
    assert found(document(**changes)) == [("error", "document-reference", place)]


def test_a_reference_to_another_server_is_a_warning():
    given = document(subject={"reference": "https://other.example/Patient/1"})
    assert found(given) == [("warning", "document-reference-outside", "Bundle.entry[0].resource.subject")]


def test_every_entry_needs_an_address():
    given = document()
    del given["entry"][2]["fullUrl"]
    given["entry"][0]["resource"]["section"] = []
    assert found(given) == [("error", "document-full-url", "Bundle.entry[2].fullUrl")]


@pytest.mark.parametrize(
    ("kind", "reference", "wanted"),
    [
        ("document", "urn:uuid:9", [("error", "reference-nowhere")]),
        ("collection", "urn:uuid:9", [("warning", "reference-nowhere")]),
        ("document", "Patient/9", [("warning", "reference-outside")]),
        ("collection", "Patient/9", []),
        ("document", "urn:uuid:2", []),
        ("document", "https://other.example/Patient/9", []),
    ],
)
def test_a_reference_of_an_entry_to_no_entry(kind, reference, wanted):
    given = document() | {"type": kind}
    given["entry"][2]["resource"]["subject"] = {"reference": reference}
    place = "Bundle.entry[2].resource.subject"
    assert found(given) == [(severity, message_id, place) for severity, message_id in wanted]
