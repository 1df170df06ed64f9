"""Scopes in a person's words, in every language of the portal."""

import pytest

from salus.web.app_words import allowed, choices, described
from salus.web.portal.words import LANGUAGES


@pytest.mark.parametrize(
    ("scope", "text", "detail"),
    [
        ("patient/Observation.rs", "see: measurements and test results", "Observation"),
        ("patient/*.rs", "see: everything in the record", ""),
        ("user/*.rs", "see: everything that you may see yourself", ""),
        ("patient/Encounter.cruds", "see, add, change, remove: visits and stays", "Encounter"),
        ("patient/Observation.rs?category=http://x.example|laboratory", "see: measurements and test results",
         "Observation; only where category = laboratory"),
        ("patient/MedicationRequest.read", "see: prescriptions", "MedicationRequest"),
        ("patient/Basic.c", "add: Basic", "Basic"),
        ("offline_access", "go on while you are not there, for up to a year", ""),
    ],
)  # fmt: skip
def test_a_scope_says_what_is_done_to_what(scope, text, detail):
    assert described(scope, "en") == (text, detail)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_words_for_every_scope(language):
    scopes = ("openid", "launch/patient", "offline_access", "patient/*.cruds", "user/Patient.rs", "fhirUser")
    found = choices(scopes, ("patient/*.cruds",), language)
    assert [(each.place, each.ticked) for each in found] == [(3, True), (4, False), (2, False)]
    assert all(each.text for each in found)
    assert len(allowed(scopes, language)) == 4
