"""The pages of a patient where the node asks what ties the professional to them (EHDS article 11(1))."""

from __future__ import annotations

import pytest
from tests.flow.test_portal_standing import citizen, visit
from tests.flow.test_treatment import (
    ask,
    clock,
    encounter,
    integrity,
    known,
    node,
    put,
    record,
    seen_by,
)  # fmt: skip

from salus.core.access import Role
from salus.trust.care import Known
from salus.web.portal.words import LANGUAGES

__all__ = ["ask", "citizen", "clock", "integrity", "known", "node", "put", "record", "visit"]
NOT_KNOWN = "No treatment relationship is known"
FIND = {"country": "fr-1", "identifier": "urn:test|n-ana", "present": "yes", "purpose": "TREAT"}


@pytest.fixture
def mari(visit):
    return visit(Role.CLINICIAN, subject="s-1", name="Mari Tamm", organisation="Ward Hospital")


async def find(mari):
    await mari.get("/patient?language=en")
    return await mari.post("/patient", **FIND)


@pytest.mark.clause("EHDS 11(1)")
async def test_who_is_not_known_to_treat_the_patient_says_why_and_the_patient_reads_it(mari, citizen, record):
    found = await find(mari)
    assert found.url.path == "/patient/fr-1/ana"
    assert NOT_KNOWN in found.text
    assert 'action="/patient/fr-1/ana/emergency"' in found.text
    for path in ("/summary", "/documents"):
        assert NOT_KNOWN in (await mari.get(f"/patient/fr-1/ana{path}?language=en")).text
    silent = await mari.post("/patient/fr-1/ana/treatment", reason=" ")
    assert (silent.status_code, "why you treat the patient" in silent.text) == (400, True)
    opened = await mari.post("/patient/fr-1/ana/treatment", reason="called about her chest pain")
    assert (opened.status_code, opened.url.path) == (200, "/patient/fr-1/ana")
    assert NOT_KNOWN not in opened.text
    assert "called about her chest pain" in (await citizen("ana").get("/told?language=en")).text


async def test_who_treats_the_patient_is_asked_nothing(mari, put, record):
    await put("Encounter", "tie", **encounter("ana", **seen_by()))
    assert NOT_KNOWN not in (await find(mari)).text


@pytest.mark.parametrize("known", [Known.REQUIRED])
async def test_where_no_word_is_taken_the_page_asks_for_none_and_the_button_opens(ask, mari, record):
    page = await find(mari)
    assert 'id="reason"' not in page.text
    refused = await mari.post("/patient/fr-1/ana/treatment", reason="called about her chest pain")
    assert refused.status_code == 403
    code = (await ask("POST", "/rights/presence-code", Role.CITIZEN)).json()["code"]
    await mari.get("/patient/fr-1/ana?language=en")
    assert NOT_KNOWN not in (await mari.post("/patient/fr-1/ana/treatment", code=code)).text


async def test_a_code_that_the_patient_shows_may_be_said_when_they_are_found(ask, mari, record):
    await mari.get("/patient?language=en")
    wrong = await mari.post("/patient", **FIND, code="WRNG2345")
    assert (wrong.status_code, "the code is wrong" in wrong.text) == (403, True)
    code = (await ask("POST", "/rights/presence-code", Role.CITIZEN)).json()["code"]
    found = await mari.post("/patient", **FIND, code=code)
    assert found.url.path == "/patient/fr-1/ana"
    assert NOT_KNOWN not in found.text


@pytest.mark.parametrize("known", [Known.REQUIRED])
async def test_the_button_is_there_and_opens_the_pages(mari, record):
    await find(mari)
    opened = await mari.post("/patient/fr-1/ana/emergency", reason="unconscious after a fall")
    assert NOT_KNOWN not in opened.text
    assert "Emergency access until" in opened.text


@pytest.mark.parametrize("language", list(LANGUAGES))
async def test_the_page_is_in_each_language(mari, record, language):
    await find(mari)
    page = await mari.get(f"/patient/fr-1/ana?language={language}")
    assert page.status_code == 200
    assert (NOT_KNOWN in page.text) == (language == "en")
