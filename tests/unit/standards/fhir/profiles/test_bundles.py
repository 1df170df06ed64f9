"""Bundles: addresses, links, and what belongs to a document or message."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.standards.fhir.profiles.test_documents import document
from tests.unit.standards.fhir.profiles.writing import book_of

from salus.standards.fhir.profiles.validator import check_profiles


def found(resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (one.message_id, one.expression)
        for one in check_profiles(resource, book_of())
        if one.severity == "error"
    ]


def holding(kind: str, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **more}


PATIENT = {"resourceType": "Patient", "id": "1"}


@pytest.mark.parametrize("kind", ["message", "searchset", "history", "collection"])
def test_every_entry_has_an_address(kind):
    assert found(holding(kind, {"resource": PATIENT})) == [("full-url-missing", "Bundle.entry[0].fullUrl")]
    assert found(holding(kind, {"fullUrl": "https://a.example/Patient/1", "resource": PATIENT})) == []


@pytest.mark.parametrize("kind", ["transaction", "batch", "transaction-response", "batch-response"])
def test_requests_and_their_answers_need_no_address(kind):
    assert found(holding(kind, {"resource": PATIENT})) == []


def test_the_outcome_of_a_search_needs_neither_address_nor_id():
    assert found(holding("searchset", {"resource": {"resourceType": "OperationOutcome"}})) == []


@pytest.mark.parametrize(
    ("kind", "relations", "wanted"),
    [
        ("searchset", ["self", "next"], []),
        ("searchset", ["self", "self"], ["Bundle.link[1].relation"]),
        ("searchset", ["next", "next"], ["Bundle.link[1].relation"]),
        ("document", ["next"], ["Bundle.link[0].relation"]),
        ("message", ["self", "last"], ["Bundle.link[1].relation"]),
        ("document", ["self", "stylesheet", "stylesheet"], []),
    ],
)
def test_links(kind, relations, wanted):
    links = [{"relation": one, "url": "https://a.example"} for one in relations]
    assert found({"resourceType": "Bundle", "type": kind, "link": links}) == [
        ("bundle-link", one) for one in wanted
    ]


def test_what_a_message_is_about_is_in_it():
    header = {"resourceType": "MessageHeader", "focus": [{"reference": "urn:uuid:2"}]}
    about = {"fullUrl": "urn:uuid:2", "resource": PATIENT}
    assert found(holding("message", {"fullUrl": "urn:uuid:1", "resource": header}, about)) == []
    assert found(holding("message", {"fullUrl": "urn:uuid:1", "resource": header})) == [
        ("message-focus", "Bundle.entry[0].resource.focus[0].reference")
    ]


@pytest.mark.parametrize(
    ("stranger", "is_one"),
    [
        ({"resourceType": "Condition"}, True),
        ({"resourceType": "Provenance", "target": [{"reference": "urn:uuid:3"}]}, False),
        ({"resourceType": "Condition", "subject": {"reference": "urn:uuid:5"}}, True),
    ],
)
def test_a_document_holds_what_its_composition_leads_to(stranger, is_one):
    given = document()
    given["entry"].append({"fullUrl": "urn:uuid:4", "resource": stranger})
    given["entry"].append({"fullUrl": "urn:uuid:5", "resource": {"resourceType": "Patient"}})
    given["entry"][1]["resource"]["link"] = [] if is_one else [{"other": {"reference": "urn:uuid:5"}}]
    wanted = [("document-stranger", f"Bundle.entry[{index}]") for index in ((3, 4) if is_one else ())]
    assert found(given) == wanted


def test_what_is_named_by_another_kind_of_address_is_no_stranger():
    given = document(relatesTo=[{"targetIdentifier": {"system": "urn:uuid:4"}}])
    given["entry"].append({"fullUrl": "urn:uuid:4", "resource": {"resourceType": "Binary"}})
    assert found(given) == []
