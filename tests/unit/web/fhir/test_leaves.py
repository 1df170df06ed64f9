"""Whoever is named, or decides the answer, has a leaf: also when nothing is shown (EHDS article 9)."""

import pytest

NHS = "https://fhir.nhs.uk/Id/nhs-number"


@pytest.fixture
async def record(door):
    """Store two patients and what is theirs."""
    for name, born in (("a", "1980-01-01"), ("b", "1970-01-01")):
        patient = {
            "resourceType": "Patient",
            "id": name,
            "birthDate": born,
            "identifier": [{"system": NHS, "value": name}],
        }
        assert (await door.operator("PUT", f"/Patient/{name}", patient)).status_code == 201
        observation = {
            "resourceType": "Observation",
            "id": f"o{name}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
            "subject": {"reference": f"Patient/{name}"},
        }
        assert (await door.operator("PUT", f"/Observation/o{name}", observation)).status_code == 201


async def new_leaves(leaves, door, *request, **more):
    before = len(await leaves())
    answer = await door(*request, **more)
    return answer, (await leaves())[before:]


SEARCHES = [
    ("Observation?patient=b&code=718-7&_summary=count", "b"),
    ("Observation?patient=b&code=718-7&_count=0", "b"),
    ("Observation?subject=Patient/b&code=nothing", "b"),
    ("Observation?patient=b&code=nothing", "b"),
    ("Observation?patient._id=b&code=nothing", "b"),
    (f"Observation?patient.identifier={NHS}|b&code=nothing", "b"),
    ("Observation?_id=ob&code=nothing", "b"),
    ("Patient?_summary=count&birthdate=1970-01-01", "b"),
    ("Patient?_count=0&birthdate=1970-01-01", "b"),
    ("Patient?_id=b&_has:Observation:patient:code=nothing", "b"),
    (f"Patient?identifier={NHS}|b&birthdate=2001-01-01", "b"),
    (f"Patient?identifier={NHS}|b&birthdate=2001-01-01&_summary=count", "b"),
    ("Patient/b/Observation?code=nothing", "b"),
    ("Observation/ob/_history?_since=2999-01-01T00:00:00Z", "b"),
]


@pytest.mark.parametrize(("address", "patient"), SEARCHES)
async def test_a_search_that_shows_nothing_leaves_a_leaf_under_whom_it_names(
    door, leaves, record, address, patient
):
    answer, told = await new_leaves(leaves, door, "GET", f"/{address}")
    assert answer.status_code == 200, answer.text
    assert [leaf for leaf in told if leaf[0] == patient], told
    assert {leaf[0] for leaf in told} == {patient}


async def test_of_two_patients_named_both_have_a_leaf(door, leaves, record):
    answer, told = await new_leaves(leaves, door, "GET", "/Observation?patient=a,b&_id=oa")
    assert answer.json()["entry"][0]["resource"]["id"] == "oa"
    assert {(leaf[0], leaf[3]) for leaf in told} == {("a", 1), ("b", 0)}


async def test_a_count_of_a_population_names_nobody_and_says_its_shape(door, leaves, record, monkeypatch):
    monkeypatch.setattr("salus.store.search.COUNTED_MAX", 1)
    answer, told = await new_leaves(leaves, door, "GET", "/Patient?_summary=count&birthdate=gt1950")
    assert answer.json()["total"] == 2
    assert told == [("", "search", "Patient?_summary,birthdate", 0, "served")]


PATCH = {"content-type": "application/json-patch+json"}
WRITES = [
    ("PATCH", "/Patient/b", b'[{"op":"test","path":"/birthDate","value":"1999-01-01"}]', PATCH),
    ("PATCH", "/Observation/ob", b'[{"op":"test","path":"/status","value":"amended"}]', PATCH),
    ("PATCH", f"/Patient?identifier={NHS}|b&birthdate=1999", b"[]", PATCH),
    ("DELETE", "/Observation/ob", None, {"if-match": 'W/"9"'}),
    ("DELETE", "/Observation?_id=ob&code=nothing", None, {}),
    ("DELETE", "/Observation?patient=b&code=nothing", None, {}),
]


@pytest.mark.parametrize(("method", "address", "body", "headers"), WRITES)
async def test_a_write_that_changes_nothing_leaves_a_leaf_under_whom_it_names(
    door, leaves, record, method, address, body, headers
):
    _, told = await new_leaves(leaves, door, method, address, body, headers=headers)
    assert {leaf[0] for leaf in told} == {"b"}, told


async def test_a_conditional_create_that_finds_is_a_read(door, leaves, record):
    body = {"resourceType": "Patient", "birthDate": "1970-01-01"}
    condition = {"if-none-exist": "birthdate=1970-01-01"}
    answer, told = await new_leaves(leaves, door, "POST", "/Patient", body, headers=condition)
    assert answer.status_code == 200, answer.text
    assert told == [("b", "read", "Patient/b", 1, "served")]


async def test_a_transaction_that_fails_leaves_a_leaf_under_whom_its_conditions_found(door, leaves, record):
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient?birthdate=1970-01-01"},
    }
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": observation, "request": {"method": "POST", "url": "Observation"}},
            {"request": {"method": "DELETE", "url": "Observation/oa", "ifMatch": 'W/"9"'}},
        ],
    }
    answer, told = await new_leaves(leaves, door, "POST", "", bundle)
    assert answer.status_code == 412, answer.text
    assert {(leaf[0], leaf[4]) for leaf in told} == {("a", "failed"), ("b", "failed")}


async def test_a_conditional_update_without_a_match_leaves_a_leaf_under_whom_it_names(door, leaves, record):
    body = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/a"},
    }
    answer, told = await new_leaves(leaves, door, "PUT", "/Observation?patient=b&code=nothing", body)
    assert answer.status_code == 201, answer.text
    assert {leaf[0] for leaf in told} == {"a", "b"}
