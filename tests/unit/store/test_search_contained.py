"""A chain is true of contained resources too (http://hl7.org/fhir/R4/search.html#contained)."""

import json
from datetime import UTC, datetime

import pytest

from salus.core.access import Role
from salus.core.limits import Limits
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.match import find
from salus.store import resources
from salus.store.rows import make_row
from salus.store.search import search

KEY = b"key of the search test"
ATC = "http://www.whocc.no/atc"


def medication(identity, code):
    return {
        "resourceType": "Medication",
        "id": identity,
        "code": {"coding": [{"system": ATC, "code": code, "display": "Bisoprolol"}]},
    }


def prescription(identity, patient, reference, *contained):
    made = {
        "resourceType": "MedicationRequest",
        "id": identity,
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "medicationReference": {"reference": reference},
    }
    return {**made, "contained": list(contained)} if contained else made


ROLE = {
    "resourceType": "PractitionerRole",
    "id": "role",
    "practitioner": {"reference": "#meri"},
    "organization": {"reference": "Organization/o1"},
}
MERI = {
    "resourceType": "Practitioner",
    "id": "meri",
    "name": [{"family": "Méri"}],
    "birthDate": "1970-05-01",
}
PULSE = {
    "resourceType": "Observation",
    "id": "pulse",
    "status": "final",
    "code": {"text": "pulse"},
    "subject": {"reference": "Patient/ana"},
    "performer": [{"reference": "#role"}, {"reference": "#meri"}],
    "contained": [ROLE, MERI],
}
RECORD = [
    {"resourceType": "Patient", "id": "ana"},
    {"resourceType": "Patient", "id": "rui"},
    {"resourceType": "Organization", "id": "o1", "name": "Hospital"},
    medication("stored", "C07AB07"),
    prescription("by-reference", "ana", "Medication/stored"),
    prescription("contained", "ana", "#m", medication("m", "C07AB07")),
    prescription("other", "ana", "#m", medication("m", "N02BE01"), MERI),
    prescription("of-rui", "rui", "#m", medication("m", "C07AB07")),
    # Contained, and not what the prescription is of.
    prescription("beside", "rui", "#m", medication("m", "N02BE01"), medication("n", "C07AB07")),
    PULSE,
]


@pytest.fixture
async def filled(database, grant):
    for one in RECORD:
        index = compile_indexer(one["resourceType"], KEY)(one)
        row = make_row(one["resourceType"], one["id"], json.dumps(one).encode(), index=index)
        await resources.create(grant(), database, row)
    return database


FOUND = [
    ("MedicationRequest", "medication.code", "C07AB07", {"by-reference", "contained", "of-rui"}),
    ("MedicationRequest", "medication.code", f"{ATC}|N02BE01", {"other", "beside"}),
    ("MedicationRequest", "medication.code:text", "bisop",
     {"by-reference", "contained", "other", "of-rui", "beside"}),
    ("MedicationRequest", "medication.code:not", "C07AB07", {"other", "beside"}),
    ("MedicationRequest", "medication.status:missing", "false", set()),
    ("MedicationRequest", "medication.ingredient-code:missing", "true",
     {"by-reference", "contained", "other", "of-rui", "beside"}),
    ("MedicationRequest", "medication._id", "m", set()),
    ("MedicationRequest", "medication._id", "stored", {"by-reference"}),
    ("Observation", "performer.name", "meri", {"pulse"}),
    ("Observation", "performer:Practitioner.name", "mer", {"pulse"}),
    ("Observation", "performer:Practitioner.name:contains", "ri", {"pulse"}),
    ("Observation", "performer:Practitioner.name", "tamm", set()),
    ("Observation", "performer:PractitionerRole.practitioner.name", "meri", {"pulse"}),
    ("Observation", "performer:PractitionerRole.organization.name", "hosp", {"pulse"}),
    ("Observation", "performer:PractitionerRole.organization", "Organization/o1", {"pulse"}),
    ("Observation", "performer:PractitionerRole.organization", "Organization/o2", set()),
    ("Patient", "_has:MedicationRequest:subject:medication.code", "C07AB07", {"ana", "rui"}),
    ("Patient", "_has:Observation:subject:performer.name", "meri", {"ana"}),
]  # fmt: skip


async def test_a_chain_finds_what_contains_and_what_refers(filled, grant):
    for kind, name, value, expected in FOUND:
        query = parse_query(
            kind, [(name, value)], Limits(), strict=True, now=datetime(2026, 11, 29, tzinfo=UTC)
        )
        page = await search(grant(), filled, query, key=KEY)
        assert {one.id for one in page.resources} == expected, name
        assert {one["id"] for one in find(query, RECORD)} == expected, name


async def test_a_chain_within_a_record_finds_what_it_contains(filled, grant):
    pairs = [("patient", "ana"), ("medication.code", "C07AB07"), ("_sort", "-_lastUpdated")]
    query = parse_query("MedicationRequest", pairs, Limits())
    for opened in (grant(), grant("ana")):
        page = await search(opened, filled, query, key=KEY)
        assert {one.id for one in page.resources} == {"by-reference", "contained"}
    assert (await search(grant("rui", role=Role.CITIZEN), filled, query, key=KEY)).resources == ()


def test_what_contains_nothing_is_indexed_as_before_and_what_is_contained_under_its_container():
    index = compile_indexer("MedicationRequest", KEY)
    plain = prescription("1", "ana", "Medication/m")
    with_unused = {**plain, "contained": [medication("m", "C07AB07")]}
    assert index(plain).tokens == index(with_unused).tokens
    held = index(prescription("1", "ana", "#m", medication("m", "C07AB07")))
    coded = compile_indexer("Medication", KEY)(medication("m", "C07AB07"))
    assert set(coded.tokens).isdisjoint(held.tokens)
    assert held.compartments == ("ana",)
