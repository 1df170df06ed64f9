"""Every kind of leaf as an AuditEvent: valid R4, and by the BALP profile that it claims."""

import base64
import json
from datetime import UTC, datetime

import msgspec
import pytest
from conformance.scoreboard.profiles import Profiles

from salus.core.access import Action, Leaf, Outcome
from salus.standards.fhir.validation.validator import validate
from salus.web.fhir.audit_event import PROFILES, audit_event, patterns

LEAF = Leaf(
    datetime(2026, 11, 24, 9, 0, tzinfo=UTC), "request-1", "ana", "doctor-7", "Mari Tamm", "clinician",
    "Tartu Hospital", "ee-1", "TREAT", "read", "Observation/1", 1, Outcome.SERVED, "clinician-treats",
)  # fmt: skip
WHATS = {
    "read": "Observation/1", "history": "Condition/c1", "search": "Observation?patient,code",
    "audit": "access log", "create": "Condition/c1", "update": "Condition/c1", "delete": "Condition/c1",
}  # fmt: skip
PROFILED = {
    "read": "PatientRead", "history": "PatientRead", "search": "PatientQuery", "audit": "PatientQuery",
    "create": "PatientCreate", "update": "PatientUpdate", "delete": "PatientDelete",
}  # fmt: skip


def event_of(**fields):
    leaf = msgspec.structs.replace(LEAF, **fields)
    return audit_event(leaf, identity="7", node="Portugal", address="https://node.test/fhir")


@pytest.fixture(scope="module")
def shared_profiles():
    return {}


@pytest.fixture
def profiles(shared, shared_profiles):
    """The profiles of BALP, read once."""
    if not shared_profiles:
        files = sorted((shared / "testvectors/audit-balp").glob("*.json"))
        shared_profiles["balp"] = Profiles([json.loads(path.read_bytes()) for path in files])
    return shared_profiles["balp"]


VARIANTS = [{}, {"patient": ""}, {"patient": "pt-1:ana"}, {"organisation": "", "node": ""}]


@pytest.mark.parametrize("fields", VARIANTS)
@pytest.mark.parametrize("action", PROFILED)
def test_what_was_served_claims_its_profile_and_keeps_it(profiles, action, fields):
    event = event_of(action=action, what=WHATS[action], **fields)
    name = PROFILED[action] if event["entity"][0]["type"]["code"] == "1" else PROFILED[action][7:]
    assert event["meta"]["profile"] == [PROFILES + name]
    assert list(profiles.problems(event, PROFILES + name)) == []


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("fields", VARIANTS)
@pytest.mark.parametrize("action", [*patterns().patterns, "token"])
def test_every_event_is_valid(action, fields, outcome):
    event = event_of(action=action, outcome=outcome, **fields)
    assert [issue.message for issue in validate(event) if issue.severity == "error"] == []
    assert ("meta" in event) is (outcome is Outcome.SERVED and action in PROFILED)


def test_patterns_are_of_actions_that_a_leaf_can_have():
    assert set(patterns().patterns) <= {action.value for action in Action}


def test_an_event_says_who_for_what_and_where():
    event = event_of(action="search", what="Observation?patient,code")
    user, employer, client, server = event["agent"]
    assert (user["who"]["display"], user["requestor"]) == ("Mari Tamm", True)
    assert user["purposeOfUse"][0]["coding"][0]["code"] == "TREAT"
    assert employer["who"]["display"] == "Tartu Hospital"
    assert client["who"]["display"] == "ee-1"
    assert server["network"] == {"address": "https://node.test/fhir", "type": "5"}
    query = event["entity"][1]["query"]
    assert base64.b64decode(query) == b"Observation?patient,code"
    assert event["entity"][2]["what"]["identifier"]["value"] == "request-1"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("Patient/ana/$summary", {"reference": "Patient/ana"}),
        ("Observation/1/_history/2", {"reference": "Observation/1"}),
        ("restriction", {"display": "restriction"}),
        ("Condition/c1 at pt-1", {"display": "Condition/c1 at pt-1"}),
    ],
)
def test_a_resource_is_referred_to_and_anything_else_named(what, said):
    assert event_of(what=what)["entity"][1]["what"] == said
