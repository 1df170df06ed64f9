"""A clinician lists a patient's documents in the portal and saves one byte for byte."""

import base64
import json
import re

import pytest
from tests.flow.test_portal import (  # noqa: F401  fixtures
    browser,
    citizen,
    form_token,
    log_in,
    national_number,
    node,
    people,
)

from salus.cli.token import make_token
from salus.core.access import Role

TOLD = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Home on day five.</p><script>x()</script></div>'
BODY = b"%PDF-1.7\n\x00\xff letter\r\n"


async def as_clinician(node, resource):  # noqa: F811
    token = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    async with browser(node) as client:
        answer = await client.post(f"/fhir/{resource['resourceType']}", json=resource, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def described(patient, **attachment):
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"text": "Discharge summary"},
        "author": [{"display": "Dr <Sousa>"}],
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": {"title": "Letter of May", **attachment}}],
    }


@pytest.fixture
async def clinician(node, people):  # noqa: F811
    """Yield a browser with the first citizen in front."""
    async with browser(node) as client:
        await log_in(client, "clinician")
        form = {"csrf": form_token(await client.get("/patient")), "country": "pt-1", "present": "yes"}
        form |= {"identifier": national_number(people[0]), "language": "en"}
        page = await client.post("/patient?language=en", data=form)
        assert page.url.path == f"/patient/pt-1/{people[0]['id']}", page.text
        yield client


async def test_a_document_is_listed_and_saved_byte_for_byte(clinician, node, people):  # noqa: F811
    own = people[0]["id"]
    data = base64.b64encode(BODY).decode()
    made = await as_clinician(node, described(own, contentType="application/pdf", data=data))
    await as_clinician(node, described(own, contentType="application/pdf", url="https://elsewhere.example/1"))
    assert (
        f"/patient/pt-1/{own}/documents?language=en"
        in (await clinician.get(f"/patient/pt-1/{own}?language=en")).text
    )
    page = await clinician.get(f"/patient/pt-1/{own}/documents?language=en")
    assert page.status_code == 200
    assert "Letter of May" in page.text
    assert "Dr &lt;Sousa&gt;" in page.text
    assert "Valid" not in page.text
    links = re.findall(r'href="([^"]+)" download', page.text)
    assert links == [f"/patient/pt-1/{own}/documents/{made}"]
    saved = await clinician.get(links[0])
    assert (saved.status_code, saved.content) == (200, BODY)
    assert saved.headers["content-type"] == "application/pdf"
    assert saved.headers["content-disposition"] == f'attachment; filename="document-{made}.pdf"'
    assert "sandbox" in saved.headers["content-security-policy"]


async def test_another_patients_document_and_one_kept_elsewhere_are_not_given(clinician, node, people):  # noqa: F811
    own, other = people[0]["id"], people[1]["id"]
    data = base64.b64encode(BODY).decode()
    theirs = await as_clinician(node, described(other, contentType="text/plain", data=data))
    elsewhere = await as_clinician(node, described(own, url="https://elsewhere.example/1"))
    for name in (theirs, elsewhere, "nothing"):
        assert (await clinician.get(f"/patient/pt-1/{own}/documents/{name}")).status_code == 404


async def test_a_pharmacist_sees_no_documents(node, people):  # noqa: F811
    async with browser(node) as client:
        await log_in(client, "pharmacist")
        page = await client.get(f"/patient/pt-1/{people[0]['id']}/documents")
        assert page.status_code == 403


def letter_of(patient):
    finding = {"resourceType": "Condition", "id": "c1", "subject": {"reference": "urn:uuid:p"},
               "code": {"text": "Pneumonia <b>left</b>"}}  # fmt: skip
    composition = {
        "resourceType": "Composition", "id": "c0", "status": "final", "title": "Carta de alta",
        "type": {"text": "Discharge summary"}, "date": "2026-05-03T10:00:00Z",
        "subject": {"reference": "urn:uuid:p"}, "author": [{"display": "Dr Sousa"}],
        "section": [{
            "title": "Course of the stay",
            "text": {"status": "additional", "div": TOLD},
            "entry": [{"reference": "urn:uuid:c"}],
        }],
    }  # fmt: skip
    person = {"resourceType": "Patient", "id": patient}
    held = {"urn:uuid:0": composition, "urn:uuid:p": person, "urn:uuid:c": finding}
    return {
        "resourceType": "Bundle",
        "type": "document",
        "timestamp": "2026-05-03T10:00:00Z",
        "identifier": {"system": "urn:test", "value": "letter-1"},
        "entry": [{"fullUrl": name, "resource": resource} for name, resource in held.items()],
    }


async def with_letter(node, patient):  # noqa: F811
    data = base64.b64encode(json.dumps(letter_of(patient)).encode()).decode()
    return await as_clinician(node, described(patient, contentType="application/fhir+json", data=data))


def check_read(page):
    assert page.status_code == 200, page.text
    for words in ("Carta de alta", "Home on day five.", "Pneumonia &lt;b&gt;left&lt;/b&gt;"):
        assert words in page.text
    assert "<script" not in page.text


def check_printed(answer, language):
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"%PDF-")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].endswith(f'-{language}.pdf"')
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_a_fhir_document_is_read_as_a_page_by_the_professional(clinician, node, people):  # noqa: F811
    own = people[0]["id"]
    made = await with_letter(node, own)
    listed = await clinician.get(f"/patient/pt-1/{own}/documents?language=en")
    address = f"/patient/pt-1/{own}/documents/{made}"
    assert f'href="{address}/read?language=en"' in listed.text
    check_read(await clinician.get(f"{address}/read?language=en"))
    check_printed(await clinician.get(f"{address}/read/pdf?language=en&in=el"), "el")
    check_printed(await clinician.get(f"/patient/pt-1/{own}/summary/pdf?language=en"), "en")
    saved = await clinician.get(address)
    assert saved.headers["content-disposition"] == f'attachment; filename="document-{made}.json"'


async def test_the_citizen_reads_and_saves_their_own_letter(citizen, node, people):  # noqa: F811
    made = await with_letter(node, people[0]["id"])
    listed = await citizen.get("/record/documents?language=pt")
    assert f'href="/record/documents/{made}/read?language=pt"' in listed.text
    check_read(await citizen.get(f"/record/documents/{made}/read?language=pt"))
    other = await citizen.get(f"/record/documents/{made}/read?language=pt&in=fi")
    assert '<article class="reading" lang="fi">' in other.text
    assert "Tästä asiakirjasta" in other.text
    check_printed(await citizen.get(f"/record/documents/{made}/read/pdf?language=pt"), "pt")
    check_printed(await citizen.get("/record/summary/pdf?language=fr"), "fr")
    saved = await citizen.get(f"/record/documents/{made}")
    assert json.loads(saved.content)["type"] == "document"
    assert "sandbox" in saved.headers["content-security-policy"]


async def test_a_citizen_is_given_no_document_of_another_and_none_of_another_kind(citizen, node, people):  # noqa: F811
    theirs = await with_letter(node, people[1]["id"])
    data = base64.b64encode(BODY).decode()
    scan = await as_clinician(node, described(people[0]["id"], contentType="application/pdf", data=data))
    for name in (theirs, "nothing", "a.b_c"):
        for way in ("", "/read", "/read/pdf"):
            assert (await citizen.get(f"/record/documents/{name}{way}")).status_code in (403, 404)
    assert (await citizen.get(f"/record/documents/{scan}/read?language=fr")).status_code == 400
    assert (await citizen.get(f"/record/documents/{scan}")).content == BODY
