"""A citizen says in the portal who may see what, reads the risk first, and takes it back."""

import re
from datetime import date

import httpx
import msgspec
import pytest

from salus.cli.node import make_node
from salus.cli.token import make_token
from salus.core.access import Role
from salus.intake.synth.generator import synthesize
from salus.node import open_node
from salus.settings import Settings

BASE = "http://127.0.0.1:9"
ENCODER = msgspec.json.Encoder(decimal_format="number")
PATIENT = next(
    each for each in synthesize(1, "PT", 3, date(2026, 11, 1)) if each["resourceType"] == "Patient"
) | {"id": "ana"}
NUMBER = next(each["value"] for each in PATIENT["identifier"] if "national" in each["system"])
CONDITION = {
    "resourceType": "Condition",
    "id": "c",
    "subject": {"reference": "Patient/ana"},
    "code": {"text": "asthma"},
}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "subject": {"reference": "Patient/ana"},
    "code": {"text": "flow"},
}


TITLES = {
    "en": "Who may see what",
    "et": "Kes mida näeb",
    "pt": "Quem pode ver o quê",
    "fr": "Qui peut voir quoi",
}


@pytest.fixture
async def node(tmp_path, database_url):
    settings = Settings(
        node="pt-1", name="Portugal", country="PT", base_url=BASE, port=9, database=database_url,
        languages=("en", "pt"), demo=True,
    )  # fmt: skip
    make_node(tmp_path, settings)
    async with open_node(tmp_path) as opened:
        yield opened


def browser(node):
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(node.application), base_url=BASE, follow_redirects=True
    )


def bearer(node, role, patient=None):
    token = make_token(node.services.data, node.settings, role, patient, None, seconds=None)
    return {"authorization": f"Bearer {token}"}


def form_token(page):
    return re.search(r'name="csrf" value="([0-9a-f]+)"', page.text).group(1)


@pytest.fixture
async def citizen(node):
    """Yield a browser in which Ana is logged in."""
    async with browser(node) as client:
        for each in (PATIENT, CONDITION, OBSERVATION):
            made = await client.put(
                f"/fhir/{each['resourceType']}/{each['id']}", content=ENCODER.encode(each),
                headers=bearer(node, Role.OPERATOR) | {"content-type": "application/fhir+json"},
            )  # fmt: skip
            assert made.status_code == 201, made.text
        page = await client.get("/login")
        form = {"csrf": form_token(page), "persona": "citizen", "identifier": NUMBER}
        assert (await client.post("/login", data=form)).status_code == 200
        yield client


async def shown(node, client):
    """Return the status of each part of the record for a clinician of the node."""
    headers = bearer(node, Role.CLINICIAN)
    return [
        (await client.get(f"/fhir/{name}", headers=headers)).status_code
        for name in ("Condition/c", "Observation/o")
    ]


@pytest.mark.clause("EHDS 8")
async def test_a_citizen_reads_the_risk_makes_a_rule_and_takes_it_back(node, citizen):
    assert await shown(node, citizen) == [200, 200]
    page = await citizen.get("/sharing")
    assert "You have made no rule" in page.text
    wish = {"csrf": form_token(page), "what": "problems", "whom": "professionals", "ends": "2126-01-31"}
    asked = await citizen.post("/sharing", data=wish)
    assert "may not know of an allergy" in asked.text
    assert "Hidden from all professionals: Problems. Until 2126-01-31." in asked.text
    assert await shown(node, citizen) == [200, 200], "nothing is hidden before the risk was read"
    fields = dict(re.findall(r'type="hidden" name="([a-z]+)" value="([^"]*)"', asked.text))
    done = await citizen.post("/sharing", data=fields)
    assert "Done." in done.text
    assert await shown(node, citizen) == [404, 200]
    assert "Hidden from some, by a rule of yours" in (await citizen.get("/record/problems")).text
    listed = await citizen.get("/sharing")
    assert "Hidden from all professionals: Problems. Until 2126-01-31." in listed.text
    (identity,) = set(re.findall(r'action="/sharing/([^/"]+)/take-back"', listed.text))
    back = await citizen.post(f"/sharing/{identity}/take-back", data={"csrf": form_token(listed)})
    assert "You have made no rule" in back.text
    assert await shown(node, citizen) == [200, 200]


@pytest.mark.parametrize(
    ("wish", "kept"),
    [
        ({"whom": "organisation", "organisation": " "}, 'value="organisation" checked'),
        ({"whom": "abroad", "starts": "2126-02-01", "ends": "2126-01-31"}, 'value="2126-02-01"'),
    ],
)
async def test_a_rule_that_cannot_be_comes_back_with_the_form_as_it_was(citizen, wish, kept):
    page = await citizen.get("/sharing")
    form = {"csrf": form_token(page), "what": "problems", "language": "et"} | wish
    again = await citizen.post("/sharing", data=form)
    assert again.status_code == 400
    assert 'role="alert"' in again.text
    assert kept in again.text
    assert '<option value="problems" selected>' in again.text
    assert '<html lang="et">' in again.text


@pytest.mark.parametrize(
    ("wish", "hidden"),
    [
        ({"whom": "organisation", "organisation": "Hospital Demo"}, False),
        ({"whom": "purpose", "purpose": "HRESCH"}, False),
        ({"whom": "abroad"}, False),
        ({"whom": "professionals"}, True),
    ],
)
async def test_a_rule_hides_from_whom_it_names_and_from_nobody_else(node, citizen, wish, hidden):
    page = await citizen.get("/sharing")
    form = {"csrf": form_token(page), "what": "whole", "confirmed": "yes"} | wish
    assert (await citizen.post("/sharing", data=form)).status_code == 200
    assert await shown(node, citizen) == ([404, 404] if hidden else [200, 200])


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"whom": "organisation", "organisation": " "}, 400),
        ({"whom": "everybody"}, 404),
        ({"whom": "professionals", "what": "secrets"}, 404),
        ({"whom": "professionals", "ends": "2020-01-01"}, 400),
    ],
)
async def test_a_wrong_form_makes_no_rule(citizen, wish, status):
    page = await citizen.get("/sharing")
    form = {"csrf": form_token(page), "what": "whole", "confirmed": "yes"} | wish
    assert (await citizen.post("/sharing", data=form)).status_code == status
    assert "You have made no rule" in (await citizen.get("/sharing")).text


async def test_the_page_is_there_in_four_languages_and_for_citizens_only(node, citizen):
    for language, title in TITLES.items():
        assert title in (await citizen.get(f"/sharing?language={language}")).text
    async with browser(node) as stranger:
        assert "/login" in str((await stranger.get("/sharing")).url)


MATTERS = {
    "en": ("HIV", "All that is about", "fall under this today: 2"),
    "et": ("HIV", "Kõik, mis puudutab", "selliseid kandeid: 2"),
    "pt": ("VIH", "Tudo o que diz respeito a", "abrangidas hoje: 2"),
    "fr": ("VIH", "Tout ce qui concerne", "concernées aujourd"),
}


@pytest.mark.clause("EHDS 8")
async def test_a_sensitive_matter_is_kept_to_oneself_by_its_codes(node, citizen):
    tenofovir = {"coding": [{"system": "http://www.whocc.no/atc", "code": "J05AR03"}]}
    order = {"resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order",
             "subject": {"reference": "Patient/ana"},
             "medicationReference": {"reference": "Medication/tenofovir"}}  # fmt: skip
    infection = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "B24"}]}
    stored = ({"resourceType": "Medication", "id": "tenofovir", "code": tenofovir}, order,
              CONDITION | {"code": infection})  # fmt: skip
    headers = bearer(node, Role.OPERATOR) | {"content-type": "application/fhir+json"}
    for each in stored:
        made = await citizen.put(f"/fhir/{each['resourceType']}/{each['id']}", json=each, headers=headers)
        assert made.is_success, made.text
    for language, said in MATTERS.items():
        page = await citizen.get(f"/sharing?language={language}")
        form = {"csrf": form_token(page), "what": "about-hiv", "whom": "professionals", "language": language}
        asked = await citizen.post("/sharing", data=form)
        texts = (page.text, page.text, asked.text)
        assert [text for words, text in zip(said, texts, strict=True) if words not in text] == []
    assert await shown(node, citizen) == [200, 200]
    assert (await citizen.post("/sharing", data=form | {"confirmed": "yes"})).status_code == 200
    assert await shown(node, citizen) == [404, 200]
    assert (await citizen.get("/fhir/MedicationRequest/m", headers=bearer(node, Role.CLINICIAN))).is_error
    assert "Masqué à tous les professionnels : VIH." in (await citizen.get("/sharing?language=fr")).text
