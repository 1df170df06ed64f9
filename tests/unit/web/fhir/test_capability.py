"""Every claim of the CapabilityStatement is true, and what is not there is not claimed."""

import pytest

from salus.core.access import Role
from salus.core.limits import Limits
from salus.federation.transactions import TRANSACTIONS
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.parameters import parameters_of
from salus.standards.fhir.validation.validator import validate
from salus.web.fhir.capability import statement

BASE = "https://node.test/fhir"
REST = statement(BASE, "Test node", "https://node.test")["rest"][0]
RESOURCES = {resource["type"]: resource for resource in REST["resource"]}
SAMPLES = {
    "token": "a",
    "string": "a",
    "reference": "Patient/1",
    "date": "2020",
    "number": "1",
    "quantity": "1",
    "uri": "urn:a",
}
REQUESTS = {
    "read": ("GET", "/{type}/none", {404}),
    "vread": ("GET", "/{type}/none/_history/1", {404}),
    "update": ("PUT", "/{type}/none", {400, 422}),
    "patch": ("PATCH", "/{type}/none", {404}),
    "delete": ("DELETE", "/{type}/none", {204}),
    "history-instance": ("GET", "/{type}/none/_history", {404}),
    "history-type": ("GET", "/{type}/_history", {200}),
    "create": ("POST", "/{type}", {400, 422}),
    "search-type": ("GET", "/{type}", {200}),
}


def test_the_statement_is_a_valid_resource_about_every_stored_type():
    found = statement(BASE, "Test node", "https://node.test")
    assert [issue for issue in validate(found) if issue.severity == "error"] == []
    assert set(RESOURCES) == resource_types() - {"OperationOutcome", "Parameters"}


@pytest.mark.parametrize("kind", ["Patient", "Observation", "Binary", "AuditEvent", "Subscription"])
async def test_each_interaction_claimed_is_served_and_the_others_are_not(door, kind):
    claimed = {interaction["code"] for interaction in RESOURCES[kind]["interaction"]}
    for code, (method, path, statuses) in REQUESTS.items():
        body = {"resourceType": kind, "nonsense": 1} if method in ("POST", "PUT") else None
        if method == "PATCH":
            body = {"resourceType": "Parameters"}
        answer = await door(method, path.replace("{type}", kind), body, role=Role.OPERATOR)
        if code in claimed:
            assert answer.status_code in (statuses if kind != "AuditEvent" else {400}), (code, answer.text)
        else:
            assert answer.status_code == 405, (code, answer.text)


@pytest.mark.parametrize("kind", ["Observation", "Organization"])
async def test_who_may_choose_an_id_is_said_as_it_is(door, kind):
    sent = {
        "Observation": {"resourceType": "Observation", "status": "final", "code": {"text": "weight"}},
        "Organization": {"resourceType": "Organization", "name": "Hospital"},
    }[kind]
    claimed = RESOURCES[kind]["updateCreate"]
    answer = await door("PUT", f"/{kind}/chosen", {**sent, "id": "chosen"}, role=Role.CLINICIAN)
    assert (answer.status_code == 201) is claimed, answer.text
    assert ("POST" in RESOURCES[kind]["documentation"]) is not claimed
    by_operator = await door("PUT", f"/{kind}/other", {**sent, "id": "other"}, role=Role.OPERATOR)
    assert by_operator.status_code == 201


def test_what_is_named_by_canonical_address_is_no_include_and_phonetic_is_said_to_be_the_beginning():
    response = RESOURCES["QuestionnaireResponse"]
    assert "QuestionnaireResponse:questionnaire" not in response["searchInclude"]
    assert "QuestionnaireResponse:subject" in response["searchInclude"]
    referring = {name for one in RESOURCES.values() for name in one.get("searchRevInclude", ())}
    assert "QuestionnaireResponse:questionnaire" not in referring
    said = {(kind, one["name"]): one.get("documentation", "")
            for kind in RESOURCES for one in RESOURCES[kind]["searchParam"]}  # fmt: skip
    assert "canonical address" in said["QuestionnaireResponse", "questionnaire"]
    assert said["QuestionnaireResponse", "subject"] == ""
    for kind in ("Patient", "Practitioner", "Person"):
        assert "sound alike are not found" in said[kind, "phonetic"]


@pytest.mark.parametrize("kind", ["OperationOutcome", "Parameters"])
async def test_what_only_travels_has_no_address(door, kind):
    assert kind not in RESOURCES
    for method, path in (("GET", ""), ("GET", "/1"), ("GET", "/_history"), ("DELETE", "/1")):
        assert (await door.operator(method, f"/{kind}{path}")).status_code == 404, (method, path)


@pytest.mark.parametrize("kind", sorted(RESOURCES.keys() - {"AuditEvent"}))
def test_each_search_parameter_claimed_is_understood_and_no_other_is_claimed(kind):
    claimed = {parameter["name"]: parameter for parameter in RESOURCES[kind]["searchParam"]}
    known = parameters_of(kind)
    assert set(claimed) == {code for code, parameter in known.items() if not parameter.refused}
    for name, parameter in claimed.items():
        assert parameter["definition"] == known[name].url
        if parameter["type"] in SAMPLES:
            query = parse_query(kind, [(name, SAMPLES[parameter["type"]])], Limits(), strict=True)
            assert len(query.criteria) == 1
    for include in RESOURCES[kind]["searchInclude"][1:]:
        assert parse_query(kind, [("_include", include)], Limits(), strict=True).includes
    for referring in RESOURCES[kind]["searchRevInclude"]:
        assert parse_query(kind, [("_revinclude", referring)], Limits(), strict=True).includes


def test_references_to_a_type_may_be_included_in_reverse():
    assert "Observation:patient" in RESOURCES["Patient"]["searchRevInclude"]
    assert "Observation:encounter" not in RESOURCES["Patient"]["searchRevInclude"]


def test_what_the_european_guide_asks_of_the_doors_is_said_where_it_is_done():
    said = {
        (kind, one["code"])
        for kind, resource in RESOURCES.items()
        for one in resource["interaction"]
        if "documentation" in one
    }
    assert said == set(TRANSACTIONS)


async def test_each_operation_claimed_is_there(door):
    for kind, resource in RESOURCES.items():
        if kind not in ("Patient", "Group", "Observation"):
            continue
        for operation in resource.get("operation", ()):
            answers = [
                await door.operator("GET", f"/{kind}{place}/${operation['name']}") for place in ("", "/none")
            ]
            assert any("no such operation" not in answer.text for answer in answers)
    for operation in REST["operation"]:
        assert "no such operation" not in (await door.operator("GET", f"/${operation['name']}")).text


async def test_each_format_claimed_is_written(door):
    for form in statement(BASE, "Test node", "https://node.test")["format"]:
        answer = await door("GET", f"/Patient?_format={form.replace('+', '%2B')}")
        assert answer.status_code == 200
        assert ("xml" in answer.headers["content-type"]) == ("xml" in form)


async def test_the_statement_tells_of_smart_and_of_dispensations(door):
    found = (await door.client.get("https://node.test/fhir/metadata")).json()
    assert found["rest"][0]["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert "MedicationDispense" in found["rest"][0]["documentation"]
    assert {entry["code"] for entry in found["rest"][0]["interaction"]} >= {"transaction", "batch"}
