from __future__ import annotations

from tests.unit.standards.fhir.profiles.writing import BASE, book_of, profile

from salus.standards.fhir.profiles.must_support import supports

RULES = profile(
    "p",
    "Patient",
    {"id": "Patient.name", "mustSupport": True},
    {"id": "Patient.name.given", "mustSupport": True},
    {"id": "Patient.birthDate", "mustSupport": True},
    {"id": "Patient.contact.name", "mustSupport": True},
)


def test_what_must_be_supported_is_there_or_not():
    given = {"resourceType": "Patient", "name": [{"family": "x"}, {"given": ["y"]}]}
    (found,) = supports(given, book_of(RULES), (BASE + "p",))
    assert found.present == ("Patient.name", "Patient.name.given")
    assert found.absent == ("Patient.birthDate",)


def test_each_resource_is_reported_by_what_it_claims():
    patient = {"resourceType": "Patient", "meta": {"profile": [BASE + "p", "http://unknown"]}}
    given = {
        "resourceType": "Bundle",
        "entry": [{"resource": patient}, {"resource": {"resourceType": "Patient"}}],
    }
    assert [(one.place, one.present) for one in supports(given, book_of(RULES), ())] == [
        ("Bundle.entry[0].resource", ())
    ]
