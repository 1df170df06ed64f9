"""Which publication repeats an earlier one, and what tells two apart."""

import pytest

from salus.intake.publication import differences, essence, published_ids

WORDS = b"No abnormal findings."
DESCRIBED = {
    "resourceType": "DocumentReference",
    "status": "current",
    "masterIdentifier": {"system": "urn:m", "value": "1"},
    "subject": {"reference": "Patient/ana"},
    "date": "2026-01-01T10:00:00Z",
    "content": [{"attachment": {"contentType": "text/plain", "title": "Chest X-ray"}}],
}
ATTACHMENT = DESCRIBED["content"][0]["attachment"]


def ids(described=DESCRIBED, body=WORDS, source="urn:hospital:a"):
    return published_ids(source, body, described)


@pytest.mark.parametrize(
    "other",
    [
        {"date": "2026-06-01T10:00:00Z"},
        {"masterIdentifier": {"system": "urn:m", "value": "2"}},
        {"identifier": [{"value": "7"}]},
        {"type": {"text": "Ankle X-ray"}},
        {"subject": {"reference": "Patient/rui"}},
        {"relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/1"}}]},
        {"content": [{"attachment": {**ATTACHMENT, "title": "Wrist X-ray"}}]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_same_words_described_otherwise_are_another_document(other):
    assert ids(DESCRIBED | other) != ids()


def test_other_words_or_another_source_are_another_document():
    assert len({ids(), ids(body=b"Fracture."), ids(source="urn:hospital:b")}) == 3


@pytest.mark.parametrize(
    "same",
    [
        dict(reversed(DESCRIBED.items())),
        {**DESCRIBED, "id": "chosen", "meta": {"versionId": "3", "lastUpdated": "2026-01-02T00:00:00Z"}},
        {**DESCRIBED, "content": [{"attachment": {**ATTACHMENT, "data": "Tm8=", "size": 21, "hash": "x"}}]},
        {**DESCRIBED, "content": [{"attachment": {**ATTACHMENT, "url": "Binary/1"}}]},
    ],
    ids=["order of keys", "id and version", "bytes beside", "address"],
)
def test_what_says_nothing_of_the_document_changes_nothing(same):
    assert ids(same) == ids()
    assert essence(same) == essence(DESCRIBED)


def test_labels_are_said_of_the_document():
    assert ids(DESCRIBED | {"meta": {"security": [{"code": "R"}]}}) != ids()


def test_differences_are_named_by_element_and_the_state_is_none():
    assert differences(DESCRIBED, DESCRIBED | {"status": "superseded"}) == []
    other = {key: value for key, value in DESCRIBED.items() if key != "date"} | {"type": {"text": "x"}}
    assert differences(DESCRIBED, other) == ["date", "type"]
