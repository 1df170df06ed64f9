"""A clinician lists a patient's documents in the portal and saves one byte for byte."""

import base64
import re

import pytest
from tests.flow.test_portal import (  # noqa: F401  fixtures
    browser,
    form_token,
    log_in,
    national_number,
    node,
    people,
)

from salus.cli.token import make_token
from salus.core.access import Role

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
