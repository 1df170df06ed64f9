"""The consents of IHE PCF and the requests of the vectors, by HTTP, at a node that denies by default.

Each case has a patient and data of its own. Played are the purposes that a caller of the node may have; the
conformance suite `consent-pcf` judges all of them without a node.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from salus.store.consents import consents_of
from salus.store.journal import open_journal
from salus.trust.consent.at_the_gate import voice_at_the_gate
from salus.trust.facts import Facts
from salus.trust.gate import Gatehouse
from salus.trust.jurisdictions.law import Sourced, jurisdiction_of

VECTORS = Path(__file__).resolve().parents[5] / "shared" / "testvectors" / "consent-pcf"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
SENSITIVITY = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LEVELS = frozenset("ULMNRV")
NAMED = ("Practitioner/ex-practitioner", "Practitioner/ex-author", "Organization/ex-organization")


def resource(reference):
    file = VECTORS / f"{reference.replace('/', '-')}.json"
    return json.loads(file.read_text()) if file.exists() else None


def cases():
    if not VECTORS.is_dir():
        return []
    listed = [json.loads(line) for line in (VECTORS / "requests.jsonl").read_text().splitlines()]
    return [case for case in listed if case["request"]["purpose"] == "TREAT"]


def own(case, document):
    """Return a resource of the folder as one of the case's own patient and data."""
    text = json.dumps(document)
    for kind in ("Patient", "Observation", "Encounter"):
        text = text.replace(f"{kind}/", f"{kind}/{case['id']}-")
    return json.loads(text)


def data_of(case):
    asked = case["request"]
    found = resource(asked["data"]) or resource("Observation/ex-weight")
    identity = asked["data"].partition("/")[2]
    label = asked.get("label")
    system = CONFIDENTIALITY if label in LEVELS else SENSITIVITY
    changed = found | {
        "id": f"{case['id']}-{identity}",
        "meta": {"security": [{"system": system, "code": label}]} if label else {},
        "effectiveDateTime": asked["data_date"],
        "performer": [{"reference": asked["author"]}] if "author" in asked else [],
        "subject": {"reference": "Patient/ex-patient"},
    }
    changed = {name: value for name, value in changed.items() if value not in ([], {})}
    return own(case, changed) | {"id": changed["id"]}


@pytest.fixture
async def node(database, open_door):
    """Yield a door, and the clock that it goes by."""
    now = [datetime(2022, 7, 1, tzinfo=UTC)]
    law = msgspec.structs.replace(jurisdiction_of("EU"), default_access=Sourced("deny", "the vectors"))

    async def knows(caller, _request):
        if caller.patient is None:
            return Facts()
        said = await consents_of(database, caller.patient)
        return Facts(voice=voice_at_the_gate(said, caller, now[0].timestamp()))

    async with open_journal(database) as journal:
        gatehouse = Gatehouse(journal, lambda: now[0], law=law, knows=knows)
        yield open_door(journal=journal, gatehouse=gatehouse, clock=lambda: now[0]), now


@pytest.mark.skipif(not VECTORS.is_dir(), reason="needs the shared vectors beside the checkout")
async def test_a_node_answers_the_requests_of_the_vectors_as_decided(node):
    door, now = node
    for reference in (
        "Practitioner/ex-practitioner",
        "Practitioner/ex-author",
        "Organization/ex-organization",
    ):
        found = resource(reference)
        made = await door.operator("PUT", f"/{reference}", found)
        assert made.status_code == 201, made.text
    wrong = []
    for case in cases():
        asked = case["request"]
        patient = f"{case['id']}-ex-patient"
        stored = {"resourceType": "Patient", "id": patient}
        data = data_of(case)
        said = own(case, resource(case["consent"]))
        said.pop("text", None)
        now[0] = datetime(2022, 7, 1, tzinfo=UTC)
        for each in (stored, data):
            made = await door.operator("PUT", f"/{each['resourceType']}/{each['id']}", each)
            assert made.status_code == 201, made.text
        heard = await door.citizen("POST", "/Consent", said, patient=patient)
        assert heard.status_code == 201, (case["id"], heard.text)
        now[0] = datetime.fromisoformat(asked["at"]).replace(tzinfo=UTC) + timedelta(hours=1)
        who = {"subject": asked["actor"].partition("/")[2], "patient": patient, "scopes": ("patient/*.rs",)}
        answer = await door("GET", f"/Observation/{data['id']}", **who)
        decided = {200: "permit", 404: "deny"}.get(answer.status_code, answer.text)
        if decided != case["decision"]:
            wrong.append((case["id"], case["why"], decided))
    assert wrong == []
    assert len(cases()) >= 20
