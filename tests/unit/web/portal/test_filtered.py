"""Every page that shows a professional a patient says that something may be hidden, whether or not it is."""

import re
from importlib import resources

import pytest

from salus.web.portal.words import LANGUAGES, phrase

TEMPLATES = resources.files("salus.web.portal").joinpath("templates")
LINE = '{{ say("restricted") }}'
APPS = frozenset({"app-open.html", "apps.html", "macros.html"})
"""They name the patient for whom an app is opened, and show nothing of the record."""
OF_A_PATIENT = sorted(
    each.name
    for each in TEMPLATES.iterdir()
    if each.name.endswith(".html") and "patient_banner" in each.read_text() and each.name not in APPS
)
NOTHING_TO_SHOW = ("no-prescriptions", "no-documents")
"""What is said where a list is empty: nothing of what there is."""
CLAIMS = re.compile(r"record|kept|kirjas|terviseloos|registad|registo|dossier|enregistr|known", re.IGNORECASE)


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize("name", OF_A_PATIENT)
def test_the_same_line_stands_on_every_page_of_a_patient_under_no_condition(name):
    before, line, _ = TEMPLATES.joinpath(name).read_text().partition(LINE)
    assert line
    opened = len(re.findall(r"{%-?\s*(?:if|for)\b", before))
    closed = len(re.findall(r"{%-?\s*end(?:if|for)\b", before))
    assert opened == closed, "the line depends on something"


def test_the_pages_of_a_patient_are_those_of_the_record_its_documents_and_letters():
    assert {"patient.html", "reading.html", "documents.html", "treatment.html"} <= set(OF_A_PATIENT)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NOTHING_TO_SHOW)
def test_an_empty_list_says_nothing_of_what_there_is(name, language):
    assert not CLAIMS.search(phrase(name, language))
