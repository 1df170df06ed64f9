"""Whatever road leads to a type that the caller may not read leads nowhere: refusal next to permission."""

import pytest

from salus.core.access import Purpose, Role

PHARMACIST = {"role": Role.PHARMACIST}


def app(*scopes, patient=None):
    return {"role": Role.APP, "purpose": Purpose.OPERATIONS, "scopes": scopes, "patient": patient}


def about_ana(kind, identity, **content):
    return {"resourceType": kind, "id": identity, "subject": {"reference": "Patient/ana"}} | content


RECORD = [
    {"resourceType": "Patient", "id": "ana", "name": [{"family": "Silva"}], "birthDate": "1970-01-01"},
    about_ana("Observation", "weight", status="final", code={"text": "weight"},
              encounter={"reference": "Encounter/visit"}),
    about_ana("Encounter", "visit", status="finished", **{"class": {"code": "AMB"}}),
    {"resourceType": "Condition", "id": "asthma", "subject": {"reference": "Patient/ana"},
     "code": {"coding": [{"system": "http://snomed.info/sct", "code": "195967001"}]}},
    about_ana("MedicationRequest", "order", status="active", intent="order",
              encounter={"reference": "Encounter/visit"},
              dispenseRequest={"validityPeriod": {"start": "2020-01-01", "end": "2999-01-01"}},
              medicationCodeableConcept={"text": "salbutamol"}),
    {"resourceType": "Claim", "id": "bill", "status": "active", "type": {"text": "x"}, "use": "claim",
     "patient": {"reference": "Patient/ana"}, "created": "2026-01-01", "provider": {"display": "x"},
     "priority": {"text": "normal"},
     "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "x"}}]},
]  # fmt: skip


@pytest.fixture
async def ana(door):
    """Store a small record of one patient."""
    for resource in RECORD:
        made = await door.operator("PUT", f"/{resource['resourceType']}/{resource['id']}", resource)
        assert made.status_code == 201, made.text
    return door


def types_in(answer):
    """Return the types in a Bundle, each once, without the OperationOutcome."""
    found = {
        entry["resource"]["resourceType"] for entry in answer.json().get("entry", ()) if "resource" in entry
    }
    return found - {"OperationOutcome"}


def warned(answer):
    """Return what the OperationOutcomes of a Bundle say."""
    outcomes = [
        one["resource"] for one in answer.json()["entry"] if one.get("search", {}).get("mode") == "outcome"
    ]
    return " ".join(issue["details"]["text"] for outcome in outcomes for issue in outcome["issue"])


REFUSED = [
    (PHARMACIST, "Patient?_revinclude=Observation:patient", "Observation"),
    (PHARMACIST, "Patient?_has:Condition:patient:code=195967001", "Condition"),
    (PHARMACIST, "Patient?_has:Condition:patient:code=nothing-has-this-code", "Condition"),
    (PHARMACIST, "MedicationRequest?encounter.status=finished", "Encounter"),
    (PHARMACIST, "Patient?_has:MedicationRequest:patient:encounter.status=finished", "Encounter"),
    (PHARMACIST, "MedicationRequest?_include=MedicationRequest:subject:Group", "Group"),
    (PHARMACIST, "Patient/ana/$everything?_type=Observation", "Observation"),
    (PHARMACIST, "Patient/ana/Observation", "Observation"),
    (PHARMACIST, "Patient/ana/$summary", "summary"),
    ({}, "Patient?_revinclude=Claim:patient", "Claim"),
    ({}, "Patient/ana/$everything?_type=Claim", "Claim"),
    (app("system/Patient.rs"), "Patient?_revinclude=Observation:patient", "Observation"),
    (app("system/Patient.rs"), "Patient?_has:Condition:patient:code=195967001", "Condition"),
    (app("system/Patient.rs"), "Patient/ana/$everything?_type=Condition", "Condition"),
    (app("system/Patient.rs"), "Patient/ana/$summary", "summary"),
    (app("system/Patient.rs"), "_history", "this"),
    (app("system/Observation.rs"), "Observation?subject:Patient.name=Silva", "Patient"),
]


@pytest.mark.parametrize(("who", "path", "named"), REFUSED)
async def test_a_road_through_a_type_that_may_not_be_read_is_refused_by_name(ana, who, path, named):
    answer = await ana("GET", f"/{path}", **who)
    assert answer.status_code == 403, answer.text
    told = answer.json()["issue"][0]["details"]["text"]
    assert named in told
    assert "weight" not in answer.text
    assert "rule " in told
    assert "request " in told


PERMITTED = [
    ({}, "Patient?_revinclude=Observation:patient", {"Patient", "Observation"}),
    ({}, "Patient?_has:Condition:patient:code=195967001", {"Patient"}),
    ({}, "MedicationRequest?encounter.status=finished", {"MedicationRequest"}),
    ({}, "Patient/ana/Observation", {"Observation"}),
    (PHARMACIST, "Patient?_revinclude=MedicationRequest:patient", {"Patient", "MedicationRequest"}),
    (PHARMACIST, "Patient?_has:MedicationRequest:patient:status=active", {"Patient"}),
    (PHARMACIST, "MedicationRequest?subject:Patient.name=Silva", {"MedicationRequest"}),
    (app("system/Patient.rs", "system/Observation.rs"), "Patient?_revinclude=Observation:patient",
     {"Patient", "Observation"}),
    (app("system/Observation.rs", "system/Patient.rs"), "Observation?subject:Patient.name=Silva",
     {"Observation"}),
    (app("system/*.rs"), "Patient/ana/$everything", {one["resourceType"] for one in RECORD}),
    (app("system/*.rs"), "Patient?_revinclude=Claim:patient", {"Patient", "Claim"}),
]  # fmt: skip


@pytest.mark.parametrize(("who", "path", "types"), PERMITTED)
async def test_a_road_through_types_that_may_be_read_is_open(ana, who, path, types):
    answer = await ana("GET", f"/{path}", **who)
    assert answer.status_code == 200, answer.text
    assert types_in(answer) == types


@pytest.mark.parametrize(
    ("who", "types"),
    [
        (PHARMACIST, {"Patient", "MedicationRequest"}),
        (app("system/Patient.rs"), {"Patient"}),
        ({}, {"Patient", "Observation", "Encounter", "Condition", "MedicationRequest"}),
    ],
)
async def test_everything_is_what_may_be_read_and_says_what_it_leaves_out(ana, who, types):
    answer = await ana("GET", "/Patient/ana/$everything", **who)
    assert types_in(answer) == types
    assert "Claim" in warned(answer)
    citizen = await ana.citizen("GET", "/Patient/ana/$everything", patient="ana")
    assert types_in(citizen) == {one["resourceType"] for one in RECORD}
    assert warned(citizen) == ""


async def test_an_include_of_several_types_names_those_it_leaves_out(ana):
    path = "/MedicationRequest?_include=MedicationRequest:*"
    answer = await ana("GET", path, **PHARMACIST)
    assert types_in(answer) == {"MedicationRequest", "Patient"}
    assert "Encounter" in warned(answer)
    answer = await ana("GET", path)
    assert types_in(answer) == {"MedicationRequest", "Patient", "Encounter"}
    assert warned(answer) == ""


async def test_scopes_of_one_patient_open_no_type_of_others(ana):
    """The Patient of the token is open by the narrow scope, the node's Patients by none of its others."""
    who = app("patient/Observation.rs", "system/Patient.rs", patient="ana")
    answer = await ana("GET", "/Patient?_revinclude=Observation:patient", **who)
    assert answer.status_code == 403
    answer = await ana("GET", "/Patient/ana/$everything", **who)
    assert types_in(answer) == {"Patient", "Observation"}


async def test_a_summary_is_for_those_who_treat_and_for_the_citizen(ana):
    for who in ({}, {"role": Role.CITIZEN, "patient": "ana", "purpose": Purpose.PATIENT_REQUEST}):
        answer = await ana("GET", "/Patient/ana/$summary", **who)
        assert answer.status_code == 200, answer.text
        assert "Condition" in types_in(answer)
    refused = await ana("GET", "/Patient/ana/$summary", **PHARMACIST)
    told = refused.json()["issue"][0]["details"]["text"]
    assert told.startswith("A pharmacist may not read the patient summary for TREAT: ask a clinician")


async def test_the_changes_of_all_are_for_those_who_run_the_node(ana):
    for path in ("/_history", "/Observation/_history", "/MedicationRequest/_history"):
        for who in ({}, PHARMACIST):
            answer = await ana("GET", path, **who)
            assert answer.status_code == 403, path
            assert "Observation/weight" not in answer.text
        answer = await ana.operator("GET", path)
        assert answer.status_code == 200
        assert types_in(answer)
    answer = await ana("GET", "/Observation/weight/_history")
    assert types_in(answer) == {"Observation"}
    assert (await ana("GET", "/Observation/weight/_history", **PHARMACIST)).status_code == 403
    bound = {"scopes": ("patient/*.rs",), "patient": "ana", "node": "pt-1"}
    answer = await ana("GET", "/Observation/_history", **bound)
    assert types_in(answer) == {"Observation"}
    assert (await ana("GET", "/_history", **bound)).status_code == 403


async def test_a_batch_and_a_condition_lead_no_further_than_a_request(ana):
    gets = [
        "Observation/weight",
        "Patient?_revinclude=Observation:patient",
        "Patient/ana/$summary",
        "Patient/ana",
    ]
    batch = {"resourceType": "Bundle", "type": "batch",
             "entry": [{"request": {"method": "GET", "url": url}} for url in gets]}  # fmt: skip
    answer = await ana("POST", "", batch, **PHARMACIST)
    assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == [
        "403",
        "403",
        "403",
        "200",
    ]
    dispensed = about_ana(
        "MedicationDispense", "x", status="completed", medicationCodeableConcept={"text": "x"}
    )
    del dispensed["id"]
    dispensed["authorizingPrescription"] = [{"display": "on paper"}]
    condition = {"if-none-exist": "patient:Patient._has:Condition:patient:code=195967001"}
    answer = await ana("POST", "/MedicationDispense", dispensed, headers=condition, **PHARMACIST)
    assert answer.status_code == 403, answer.text
    condition = {"if-none-exist": "identifier=urn:x|1"}
    answer = await ana("POST", "/MedicationDispense", dispensed, headers=condition, **PHARMACIST)
    assert answer.status_code == 201, answer.text


async def test_what_is_refused_on_the_way_is_written_down_as_refused(ana, leaves):
    before = len(await leaves())
    await ana("GET", "/Patient?_has:Condition:patient:code=195967001", **PHARMACIST)
    assert [(leaf[1], leaf[4]) for leaf in (await leaves())[before:]] == [("search", "refused")]


async def restrict(door, leaves_of=("MedicationRequest", "order")):
    """Hide a resource of Ana's as she would."""
    from salus.web.restrictions import set_restricted

    citizen = door.make_caller(Role.CITIZEN, patient="ana", subject="ana")
    assert await set_restricted(door.services, citizen, *leaves_of, hidden=True) >= 1


@pytest.mark.parametrize("headers", [{}, {"if-match": 'W/"1"'}])
@pytest.mark.parametrize(
    ("who", "kind", "identity"),
    [
        ({}, "MedicationRequest", "order"),
        (app("system/*.cruds"), "Condition", "asthma"),
    ],
)
async def test_a_put_tells_a_hidden_id_from_a_free_one_to_nobody(ana, who, kind, identity, headers):
    await restrict(ana, (kind, identity))
    content = next(one for one in RECORD if one["resourceType"] == kind)
    told = []
    for name in (identity, "freeid"):
        answer = await ana("PUT", f"/{kind}/{name}", {**content, "id": name}, headers=headers, **who)
        told.append((answer.status_code, answer.json()["issue"][0]["details"]["text"].replace(name, "ID")))
    assert told[0] == told[1]
    assert told[0][0] == 404
    assert "POST" in told[0][1]


async def test_a_put_of_a_free_id_makes_a_resource_for_operators_and_in_the_directory(ana):
    content = next(one for one in RECORD if one["resourceType"] == "Condition")
    answer = await ana.operator("PUT", "/Condition/chosen", {**content, "id": "chosen"})
    assert answer.status_code == 201
    answer = await ana("PUT", "/Practitioner/chosen", {"resourceType": "Practitioner", "id": "chosen"})
    assert answer.status_code == 201
    answer = await ana("PUT", "/Condition/asthma", content)
    assert answer.status_code == 200


async def test_a_patch_needs_leave_to_read_for_it_answers_the_whole(ana):
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]
    sent = {"headers": {"content-type": "application/json-patch+json"}}
    refused = await ana("PATCH", "/Observation/weight", patch, **sent, **app("system/Observation.u"))
    assert refused.status_code == 403
    assert "weight" not in refused.text
    answer = await ana("PATCH", "/Observation/weight", patch, **sent, **app("system/Observation.ru"))
    assert answer.status_code == 200, answer.text


async def test_a_pharmacist_writes_dispensations_and_no_prescription(ana):
    order = next(one for one in RECORD if one["resourceType"] == "MedicationRequest")
    made = {key: value for key, value in order.items() if key != "id"}
    assert (await ana("POST", "/MedicationRequest", made, **PHARMACIST)).status_code == 403
    changed = {**order, "status": "completed"}
    assert (await ana("PUT", "/MedicationRequest/order", changed, **PHARMACIST)).status_code == 403
    patch = [{"op": "replace", "path": "/status", "value": "cancelled"}]
    sent = {"content-type": "application/json-patch+json"}
    answer = await ana("PATCH", "/MedicationRequest/order", patch, headers=sent, **PHARMACIST)
    assert answer.status_code == 403
    told = answer.json()["issue"][0]["details"]["text"]
    assert told.startswith("A pharmacist may not update MedicationRequest for TREAT: ask a clinician")
    dispensed = {
        "resourceType": "MedicationDispense", "status": "completed", "subject": {"reference": "Patient/ana"},
        "medicationCodeableConcept": {"text": "salbutamol"},
        "authorizingPrescription": [{"reference": "MedicationRequest/order"}],
    }  # fmt: skip
    assert (await ana("POST", "/MedicationDispense", dispensed, **PHARMACIST)).status_code == 201
    now = (await ana("GET", "/MedicationRequest/order", **PHARMACIST)).json()
    assert now["status"] == "completed"
    cancelled = {**order, "status": "cancelled"}
    assert (await ana("PUT", "/MedicationRequest/order", cancelled)).status_code == 200


@pytest.mark.parametrize(
    ("role", "status"), [(Role.PHARMACIST, 201), (Role.CLINICIAN, 403), (Role.NODE, 403)]
)
async def test_from_abroad_only_a_pharmacist_dispenses(ana, role, status):
    who = {"role": role, "node": "ee-1", "patient": "ana", "scopes": ("patient/*.cruds",)}
    dispensed = {
        "resourceType": "MedicationDispense", "status": "completed", "subject": {"reference": "Patient/ana"},
        "identifier": [{"system": "urn:x", "value": "1"}],
        "medicationCodeableConcept": {"text": "salbutamol"},
        "authorizingPrescription": [{"reference": "MedicationRequest/order"}],
    }  # fmt: skip
    condition = {"if-none-exist": "identifier=urn:x|1"}
    answer = await ana("POST", "/MedicationDispense", dispensed, headers=condition, **who)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(("role", "status"), [(Role.PHARMACIST, 403), (Role.CLINICIAN, 200)])
async def test_from_abroad_the_home_node_decides_on_a_summary_by_the_role(ana, role, status):
    who = {"role": role, "node": "ee-1", "patient": "ana", "scopes": ("patient/*.rs",)}
    answer = await ana("GET", "/Patient/ana/$summary", **who)
    assert answer.status_code == status, answer.text
    answer = await ana("GET", "/Patient/ana/$everything", **who)
    assert ("Observation" in types_in(answer)) is (role is Role.CLINICIAN)
    assert "MedicationRequest" in types_in(answer)
