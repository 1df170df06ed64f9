from __future__ import annotations

import pytest

from salus.core.identifiers import derived_id
from salus.intake.identity import References, original_name

SOURCE = "https://hospital.example/fhir"


def here(type_name, original, source=SOURCE):
    return f"{type_name}/{derived_id(source, original)}"


def test_two_sources_never_share_an_id():
    assert derived_id("urn:a", "Patient/1") != derived_id("urn:b", "Patient/1")


@pytest.mark.parametrize(
    ("full_url", "resource_id", "expected"),
    [
        ("", "1", "Patient/1"),
        ("urn:uuid:x", "x", "Patient/x"),
        ("urn:uuid:x", "1", "urn:uuid:x"),
        (f"{SOURCE}/Patient/1", "1", "Patient/1"),
        ("https://other.example/Patient/1", "1", "https://other.example/Patient/1"),
        ("", None, ""),
    ],
)
def test_a_resource_is_named_by_its_source(full_url, resource_id, expected):
    assert original_name(SOURCE, full_url, "Patient", resource_id) == expected


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("Patient/1", here("Patient", "Patient/1")),
        ("Patient/1/_history/3", here("Patient", "Patient/1")),
        (f"{SOURCE}/Patient/1", here("Patient", "Patient/1")),
        ("urn:uuid:known", here("Patient", "urn:uuid:known")),
        ("urn:uuid:own", here("Patient", "Patient/own")),
        ("urn:uuid:unknown", None),
        ("#contained", None),
        ("Practitioner?identifier=1", None),
        ("Nonsense/1", None),
        ("https://other.example/fhir/Patient/1", None),
    ],
)
def test_references_into_the_source_follow_and_others_stay(link, expected):
    types = {"urn:uuid:known": ("Patient", False), "urn:uuid:own": ("Patient", True)}
    assert References(SOURCE, "", types).rewritten(link) == expected


def test_a_relative_reference_is_resolved_below_the_root_of_the_referring_entry():
    references = References("urn:s", "https://a.example/fhir/Observation/9", {})
    expected = here("Patient", "https://a.example/fhir/Patient/1", "urn:s")
    assert references.rewritten("Patient/1") == expected
    assert references.rewritten("https://a.example/fhir/Patient/1") == expected


def test_only_references_change_in_the_bytes():
    content = (
        b'{"subject" : {"reference"\n: "Patient\\/1"}, "note":"\\"reference\\":\\"Patient/1\\"", "v": 72.50}'
    )
    spliced = References(SOURCE).splice(content)
    target = here("Patient", "Patient/1").encode()
    assert spliced == content.replace(b'"Patient\\/1"', b'"' + target + b'"')
