"""A citizen's record in the portal: every kind of entry has a place, and all of a long one can be reached."""

import re
from datetime import date, timedelta

import pytest
from tests.flow.test_portal import (  # noqa: F401  fixtures
    browser,
    citizen,
    log_in,
    node,
    people,
)

from salus.cli.token import make_token
from salus.core.access import Role

LONG = 230
FIRST = date(2025, 1, 1)


async def store(client, node, resources):  # noqa: F811
    token = make_token(node.services.data, node.settings, Role.OPERATOR, None, None, seconds=None)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    entries = [
        {"resource": each, "request": {"method": "POST", "url": each["resourceType"]}} for each in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await client.post("/fhir", json=bundle, headers=headers)
    assert answer.status_code == 200, answer.text


def weighed(patient, number):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": f"Measurement no. {number};"},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": (FIRST + timedelta(days=number)).isoformat(),
        "valueString": "well",
    }


async def test_a_long_category_shows_the_newest_and_leads_to_every_older_one(citizen, node, people):  # noqa: F811
    own = people[0]["id"]
    # Stored out of order: which rows come first by chance must not matter.
    await store(citizen, node, [weighed(own, number * 7 % LONG) for number in range(LONG)])
    page = await citizen.get("/record/results?language=en")
    assert "newest entries of more" in page.text
    seen = numbers(page)
    assert seen
    assert min(seen) > LONG - 200 - 1
    assert max(seen) == LONG - 1
    older = re.search(r'href="(/record/results\?[^"]+)">Older entries', page.text).group(1)
    rest = await citizen.get(older.replace("&amp;", "&"))
    assert "older entries" in rest.text
    assert sorted(seen + numbers(rest)) == list(range(LONG))


def numbers(page):
    return [int(each) for each in set(re.findall(r"Measurement no\. (\d+);", page.text))]


@pytest.mark.parametrize(
    ("category", "resource", "words"),
    [
        ("alerts", {"resourceType": "Flag", "status": "active", "code": {"text": "Difficult airway"}},
         "Difficult airway"),
        ("family", {"resourceType": "FamilyMemberHistory", "status": "completed",
                    "relationship": {"text": "mother"},
                    "condition": [{"code": {"text": "Breast cancer"}}]}, "Breast cancer"),
        ("directives", {"resourceType": "Consent", "status": "active", "scope": {"text": "adr"},
                        "category": [{"text": "Do not resuscitate"}], "policyRule": {"text": "national law"},
                        "provision": {"type": "deny"}}, "Do not resuscitate"),
        ("other", {"resourceType": "Goal", "lifecycleStatus": "active",
                   "description": {"text": "Walk ten thousand steps"}}, "Walk ten thousand steps"),
    ],
)  # fmt: skip
async def test_every_kind_of_entry_has_its_place_and_can_be_hidden(
    citizen,  # noqa: F811
    node,  # noqa: F811
    people,  # noqa: F811
    category,
    resource,
    words,
):
    own = {"reference": f"Patient/{people[0]['id']}"}
    about = "subject" if resource["resourceType"] in ("Flag", "Goal") else "patient"
    await store(citizen, node, [{**resource, about: own}])
    front = await citizen.get("/record?language=en")
    assert f"/record/{category}?language=en" in front.text
    page = await citizen.get(f"/record/{category}?language=en")
    assert words in page.text
    assert 'action="/record/restrict"' in page.text
