"""Versions, languages, and the form of R4."""

import pytest

from salus.core.errors import MalformedContent
from salus.standards.terminology.concepts import Designation
from salus.standards.terminology.designations import preferred
from salus.standards.terminology.forms import as_r4, as_r5
from salus.standards.terminology.languages import parse_languages
from salus.standards.terminology.versions import matches, newest


@pytest.mark.parametrize(
    ("wanted", "version", "fits"),
    [
        ("", "1.0.0", True), ("1.0.0", "1.0.0", True), ("1.0.0", "1.0.1", False), ("1.x.x", "1.2.3", True),
        ("1.0.x", "1.2.0", False), ("1.*", "1.2.3", True), ("1.2", "1.2.9", True), ("1", "1.2.0", False),
        ("2026", "2026", True), ("1.x.x", "abc", False),
    ],
)  # fmt: skip
def test_a_version_satisfies_what_is_asked(wanted, version, fits):
    assert matches(wanted, version) is fits


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["1.9.0", "1.10.0"], "1.10.0"), (["2.0.0-ballot", "2.0.0"], "2.0.0"), (["2025", "2026"], "2026"),
        (["http://snomed.info/sct/1/version/20250101", "http://snomed.info/sct/1/version/20260101"],
         "http://snomed.info/sct/1/version/20260101"),
    ],
)  # fmt: skip
def test_the_newest_version_is_taken(versions, expected):
    assert newest(versions) == expected
    assert newest(reversed(versions)) == expected


def test_the_best_name_is_the_most_exact_current_display():
    names = (
        Designation("Heart", "en", is_display=True),
        Designation("Coração", "pt", {"code": "synonym"}),
        Designation("Coração (BR)", "pt-BR", {"code": "synonym"}),
        Designation("Cor", "la", status="withdrawn"),
    )

    def shown(languages):
        found = preferred(names, parse_languages(languages))
        return found.value if found else None

    assert shown("pt-BR") == "Coração (BR)"
    assert shown("pt") == "Coração"
    assert shown("fr, pt;q=0.3, *;q=0") == "Coração"
    assert shown("fr, *;q=0.1") == "Heart"
    assert shown("fr") is None
    assert shown("") == "Heart"


@pytest.mark.parametrize("text", ["de;q=high", "not a tag", "de;x"])
def test_what_is_no_list_of_languages_is_refused(text):
    with pytest.raises(MalformedContent):
        parse_languages(text)


def test_properties_of_expanded_codes_are_extensions_in_r4_and_come_back():
    row = {"code": "a", "property": [{"code": "definition", "valueString": "first"}]}
    expansion = {"property": [{"code": "definition", "uri": "urn:d"}], "contains": [row]}
    resource = {"resourceType": "ValueSet", "expansion": expansion}
    r4 = as_r4(resource)
    assert r4["expansion"]["contains"][0]["extension"] == [
        {
            "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.contains.property",
            "extension": [
                {"url": "code", "valueCode": "definition"},
                {"url": "value", "valueString": "first"},
            ],
        }
    ]
    assert "property" not in r4["expansion"]
    assert as_r5(r4)["expansion"]["contains"] == [row]
