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


RISKS = {
    "en": "repeat an examination",
    "et": "uuringut korrata",
    "pt": "repetir um exame",
    "fr": "refaire un examen",
}


@pytest.mark.parametrize("language", sorted(RISKS))
async def test_what_is_read_before_hiding_is_in_the_language_of_the_page(citizen, node, people, language):  # noqa: F811
    flag = {"resourceType": "Flag", "status": "active", "code": {"text": "Difficult airway"}}
    await store(citizen, node, [flag | {"subject": {"reference": f"Patient/{people[0]['id']}"}}])
    page = await citizen.get(f"/record/alerts?language={language}")
    fields = dict(re.findall(r'name="(csrf|type|id|category)" value="([^"]*)"', page.text))
    asked = await citizen.post("/record/restrict", data=fields | {"type": "Flag", "language": language})
    assert RISKS[language] in asked.text
    assert "Flag" not in re.sub(r"<input[^>]*>", "", asked.text)
    main = asked.text.split("<main")[1].split(">")[0]
    assert f'lang="{language}"' in main


async def test_what_goes_with_a_hidden_entry_is_counted_without_it_and_in_words(citizen, node, people):  # noqa: F811
    own = {"reference": f"Patient/{people[0]['id']}"}
    flag = {
        "resourceType": "Flag",
        "id": "f1",
        "status": "active",
        "code": {"text": "Difficult airway"},
        "subject": own,
    }
    await store(citizen, node, [flag])
    page = await citizen.get("/record/alerts?language=en")
    fields = dict(re.findall(r'name="(csrf|type|id|category)" value="([^"]*)"', page.text))
    asked = await citizen.post("/record/restrict", data=fields | {"type": "Flag", "language": "en"})
    assert "Nothing else goes with it." in asked.text


async def test_an_address_without_a_page_is_told_so_in_the_language_of_the_page(citizen):  # noqa: F811
    page = await citizen.get("/no-such-page?language=et")
    assert page.status_code == 404
    assert 'lang="et">Sellel aadressil lehte ei ole.' in page.text


async def test_a_link_that_is_refused_keeps_what_was_written(citizen):  # noqa: F811
    page = await citizen.get("/my-rights/links?language=pt")
    form = {"csrf": re.search(r'name="csrf" value="([^"]+)"', page.text)[1], "language": "pt"}
    form |= {"content": "record", "label": "For <Ana>", "passcode": "abc", "hours": "24", "openings": "3"}
    refused = await citizen.post("/my-rights/links", data=form)
    assert refused.status_code == 400
    assert "Um código tem de 6 a 100 caracteres." in refused.text
    for kept in (
        'value="record" selected',
        'value="For &lt;Ana&gt;"',
        'value="abc"',
        'value="24"',
        'value="3"',
    ):
        assert kept in refused.text, kept


async def test_who_looked_shows_others_first_and_folds_what_the_citizen_did(citizen, node, people):  # noqa: F811
    own = people[0]["id"]
    token = make_token(node.services.data, node.settings, Role.OPERATOR, None, None, seconds=None)
    read = await citizen.get(f"/fhir/Patient/{own}", headers={"authorization": f"Bearer {token}"})
    assert read.status_code == 200
    for _ in range(60):
        await citizen.get("/record/problems?language=en")
    page = (await citizen.get("/accesses?language=en")).text
    others, folded = page.split("<details>")
    assert "operator" in others.split("<tbody>")[1]
    assert "citizen" not in others.split("<tbody>")[1]
    assert "What you did yourself: " in folded
    assert folded.count("<tr>") == 101
    plain = (await citizen.get("/accesses?language=en&all=yes")).text
    assert "<details>" not in plain
    assert plain.count("<tr>") == 101
    assert "&amp;all=yes" in plain
