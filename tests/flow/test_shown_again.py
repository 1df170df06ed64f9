"""An entry that is hidden together with another one is not said to be shown again while it is not."""

import pytest
from tests.flow.test_sharing import CONDITION, ENCODER, bearer, citizen, form_token, node

from salus.cli.token import make_token
from salus.core.access import Role

__all__ = ["citizen", "node"]
MEDICINE = {
    "resourceType": "MedicationStatement",
    "id": "m",
    "status": "active",
    "subject": {"reference": "Patient/ana"},
    "medicationCodeableConcept": {"text": "salbutamol"},
    "reasonReference": [{"reference": "Condition/c"}],
}
STAYS = {
    "en": "This entry stays hidden",
    "et": "See kanne jääb peidetuks",
    "pt": "Este registo continua oculto",
    "fr": "Cette entrée reste masquée",
}


@pytest.fixture
async def hidden(node, citizen):
    """Ana has hidden her diagnosis; the medicine that states it went along."""
    made = await citizen.put(
        "/fhir/MedicationStatement/m", content=ENCODER.encode(MEDICINE),
        headers=bearer(node, Role.OPERATOR) | {"content-type": "application/fhir+json"},
    )  # fmt: skip
    assert made.status_code == 201, made.text
    token = make_token(node.services.data, node.settings, Role.CITIZEN, None, "ana", seconds=None)
    own = {"authorization": f"Bearer {token}"}
    assert (await citizen.put("/restrictions/Condition/c", headers=own)).json()["resources"] == 2
    return own


async def seen(node, client, name):
    return (await client.get(f"/fhir/{name}", headers=bearer(node, Role.CLINICIAN))).status_code == 200


async def test_the_api_says_with_what_an_entry_stays_hidden(node, citizen, hidden):
    answer = (await citizen.delete("/restrictions/MedicationStatement/m", headers=hidden)).json()
    assert (answer["restricted"], answer["with"], answer["resources"]) == (True, "Condition/c", 0)
    assert not await seen(node, citizen, "MedicationStatement/m")
    answer = (await citizen.delete("/restrictions/Condition/c", headers=hidden)).json()
    assert (answer["restricted"], answer["with"], answer["resources"]) == (False, "", 2)
    assert await seen(node, citizen, "MedicationStatement/m")


async def test_what_was_asked_for_by_itself_too_stays_hidden_with_the_other(citizen, hidden):
    await citizen.put("/restrictions/MedicationStatement/m", headers=hidden)
    answer = (await citizen.delete("/restrictions/MedicationStatement/m", headers=hidden)).json()
    assert (answer["restricted"], answer["with"]) == (True, "Condition/c")


async def test_the_page_names_the_other_entry_and_offers_no_button_that_does_nothing(node, citizen, hidden):
    page = await citizen.get("/record/medicines?language=en")
    assert 'together with <a href="/record/problems?language=en">asthma</a>' in page.text
    assert "Let professionals see it again" not in page.text
    assert "Let professionals see it again" in (await citizen.get("/record/problems?language=en")).text
    form = {"csrf": form_token(page), "category": "medicines"}
    for language, stays in STAYS.items():
        wish = form | {"type": "MedicationStatement", "id": "m", "language": language}
        done = await citizen.post("/record/unrestrict", data=wish)
        assert stays in done.text
        assert "note good" not in done.text
    wish = form | {"type": CONDITION["resourceType"], "id": "c", "category": "problems", "language": "en"}
    assert "may see this entry again" in (await citizen.post("/record/unrestrict", data=wish)).text
    assert await seen(node, citizen, "MedicationStatement/m")
    assert "together with" not in (await citizen.get("/record/medicines?language=en")).text


async def test_an_entry_that_a_rule_still_hides_is_not_said_to_be_seen(citizen, hidden):
    page = await citizen.get("/sharing")
    rule = {"csrf": form_token(page), "what": "problems", "whom": "professionals", "confirmed": "yes"}
    assert (await citizen.post("/sharing", data=rule)).status_code == 200
    form = {"csrf": form_token(page), "category": "problems", "type": "Condition", "id": "c"}
    done = await citizen.post("/record/unrestrict", data=form)
    assert "a rule of yours still hides it" in done.text
    assert "may see this entry again" not in done.text
