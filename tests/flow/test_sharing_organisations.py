"""A rule for an organisation says whether such an organisation is known, and finds it however it is typed."""

import html
import re

import msgspec
import pytest
from tests.flow.test_sharing import bearer, citizen, form_token, node, shown

from salus.core.access import Role
from salus.trust.tokens import issue
from salus.web.portal.personas import persona_caller

__all__ = ["citizen", "node"]
WARNINGS = {
    "en": "No organisation named",
    "et": "siin ei tunta",
    "pt": "Aqui não se conhece",
    "fr": "connu ici",
}


@pytest.fixture
async def hospital(node, citizen):
    """Return the name of the hospital whose clinician has looked at the record."""
    assert await shown(node, citizen) == [200, 200]
    page = await citizen.get("/sharing?language=en")
    (name, *_) = [html.unescape(each) for each in re.findall(r'<option value="([^"]+)"></option>', page.text)]
    return name


async def ask(client, name, **more):
    page = await client.get("/sharing")
    form = {"csrf": form_token(page), "what": "whole", "whom": "organisation", "organisation": name}
    return await client.post("/sharing", data=form | more)


async def confirm(client, page):
    form = page.text.rpartition("<form")[2]
    fields = re.findall(r'type="hidden" name="([a-z]+)" value="([^"]*)"', form)
    return await client.post("/sharing", data={name: html.unescape(value) for name, value in fields})


async def test_a_name_is_found_whatever_its_capitals_accents_and_spaces(node, citizen, hospital):
    plain = hospital.translate(str.maketrans("áéíóúâêôãõç", "aeiouaeoaoc"))
    assert plain != hospital
    asked = await ask(citizen, f" {plain.upper().replace(' ', '  ')} ")
    assert "No organisation named" not in asked.text
    assert hospital in html.unescape(asked.text)
    assert (await confirm(citizen, asked)).status_code == 200
    assert await shown(node, citizen) == [404, 404]


async def test_one_that_is_not_known_is_warned_of_and_those_known_are_offered(node, citizen, hospital):
    for language, warning in WARNINGS.items():
        assert warning in (await ask(citizen, "Hospital Nowhere", language=language)).text
    asked = await ask(citizen, "Hospital <b>Nowhere")
    assert 'role="alert"' in asked.text
    assert "<b>Nowhere" not in asked.text
    assert f'name="organisation" value="{hospital}"' in html.unescape(asked.text)
    chosen = await ask(citizen, hospital)
    assert 'role="alert"' not in chosen.text
    assert (await confirm(citizen, asked)).status_code == 200
    assert await shown(node, citizen) == [200, 200]
    assert (await confirm(citizen, chosen)).status_code == 200
    assert await shown(node, citizen) == [404, 404]


async def test_the_register_of_the_node_is_offered_too(node, citizen):
    made = await citizen.put(
        "/fhir/Organization/far", json={"resourceType": "Organization", "id": "far", "name": "Far Clinic"},
        headers=bearer(node, Role.OPERATOR) | {"content-type": "application/fhir+json"},
    )  # fmt: skip
    assert made.status_code == 201, made.text
    assert '<option value="Far Clinic">' in (await citizen.get("/sharing")).text
    asked = await ask(citizen, "far clinic", language="en")
    assert "by its name alone" in asked.text
    assert "No organisation named" not in asked.text


@pytest.mark.clause("EHDS 8")
async def test_an_organisation_is_kept_out_by_its_identifier_whatever_it_is_called_later(
    node, citizen, hospital
):
    asked = await ask(citizen, hospital)
    assert 'role="alert"' not in asked.text, "the log says its identifier"
    assert (await confirm(citizen, asked)).status_code == 200
    assert await shown(node, citizen) == [404, 404]
    renamed = persona_caller(Role.CLINICIAN, "PT")
    key, terms = node.services.keys.token, node.services.terms
    for number, expected in ((renamed.organisation_id, 404), ("urn:oid:1.2|78", 200)):
        who = msgspec.structs.replace(renamed, organisation="Another name", organisation_id=number)
        token = issue(key, who, terms, now=node.services.clock())
        answer = await citizen.get("/fhir/Condition/c", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == expected
