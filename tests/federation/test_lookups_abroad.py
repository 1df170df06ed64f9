"""A question to other countries that reaches nobody, or points at nobody, is not answered with nothing."""

import httpx
import pytest
from tests.federation.conftest import local_token, put

from salus.core.access import Role

ANA = {
    "resourceType": "Patient",
    "id": "ana",
    "identifier": [{"system": "urn:example:card", "value": "1"}],
    "name": [{"family": "Silva", "given": ["Ana"]}],
    "birthDate": "1970-01-01",
}
CARD = {"identifier": "urn:example:card|1"}


async def ask(federation, body):
    node = federation.nodes["ee-1"]
    headers = {"authorization": f"Bearer {local_token(node, Role.CLINICIAN, 'Mari Tamm')}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        return await client.post(f"{node.url}/abroad/patients", json=body)


@pytest.mark.parametrize("countries", [["DE"], ["pt"], ["DE", "SE"]])
async def test_a_country_without_a_member_is_not_answered_as_if_nobody_lived_there(federation, countries):
    answer = await ask(federation, CARD | {"countries": countries})
    assert answer.status_code == 404
    assert f"no member node in {', '.join(countries)}" in answer.text


async def test_of_several_countries_those_without_a_member_are_named_as_silent(federation):
    await put(federation.nodes["pt-1"], ANA)
    answer = (await ask(federation, CARD | {"countries": ["PT", "DE"]})).json()
    assert [each["id"] for each in answer["candidates"]] == ["ana"]
    assert answer["silent"] == [{"node": "", "reason": "no member node in DE"}]


async def test_without_other_members_the_question_is_not_answered_with_nothing(federation):
    federation.publish(federation.member("ee-1"))
    answer = await ask(federation, CARD)
    assert (answer.status_code, "no other member" in answer.text) == (404, True)


@pytest.mark.parametrize(
    "body", [{}, {"identifier": "1"}, {"family": "Silva"}, {"family": "Silva", "given": "Ana"}]
)
async def test_an_empty_or_incomplete_question_is_refused_by_the_node_that_asks(federation, body):
    answer = await ask(federation, body)
    assert answer.status_code == 400
    assert "identifier" in answer.text
