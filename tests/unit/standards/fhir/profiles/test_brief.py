import pytest

from salus.standards.fhir.profiles.brief import brief_of, identifiers_of, vendor_of
from salus.standards.fhir.profiles.categories import Detected
from salus.standards.fhir.profiles.shipped import shipped_book

EPS = "http://hl7.eu/fhir/eps/StructureDefinition/bundle-eu-eps"


def device(name, maker):
    return {
        "fullUrl": f"urn:uuid:{name}",
        "resource": {"resourceType": "Device", "id": name, "manufacturer": maker},
    }


def document(*entries, author=""):
    composition = {"resourceType": "Composition", "author": [{"reference": author}]}
    return {"resourceType": "Bundle", "entry": [{"resource": composition}, *entries]}


@pytest.mark.parametrize("reference", ["urn:uuid:b", "Device/b"])
def test_the_vendor_is_the_maker_of_the_device_among_the_authors(reference):
    assert vendor_of(document(device("a", "Pump"), device("b", "Acme"), author=reference)) == "Acme"


def test_without_a_device_among_them_it_is_that_of_the_first_device_that_names_one():
    assert vendor_of(document(device("a", None), device("b", "Acme"))) == "Acme"
    assert vendor_of({"resourceType": "Patient"}) == ""


@pytest.mark.parametrize(
    "hostile", [{"entry": 1}, {"entry": [1, {"resource": 2}]}, {"entry": [{"resource": {}}]}]
)
def test_what_is_no_bundle_names_no_vendor(hostile):
    assert vendor_of(hostile) == ""


def test_the_profile_is_named_with_its_version_and_each_rule_once():
    found = brief_of({}, Detected("patient-summary", (EPS,)), ["b", "a", "b"], shipped_book())
    assert found.profile.startswith(f"{EPS}|")
    assert found.faults == ("a", "b")


@pytest.mark.parametrize(
    ("identifier", "found"),
    [
        ({"system": "urn:x", "value": "1"}, ["urn:x|1"]),
        ([{"value": "2"}, {"system": "urn:y"}, 3], ["|2"]),
        ("4", []),
        (None, []),
    ],
)
def test_the_identifiers_of_a_document_are_one_or_a_list(identifier, found):
    assert identifiers_of({"identifier": identifier}) == found
