"""A CDA document is loaded: its facts are the patient's, and each resource leads to the kept bytes."""

from __future__ import annotations

import json

import pytest
from tests.unit.standards.cda.samples import document, section
from tests.unit.standards.cda.test_entries import ASTHMA, DISPENSATION, problem, taken

from salus.core.access import Action
from salus.core.limits import Limits
from salus.intake.admission import Admission
from salus.intake.conditions import lookup_in
from salus.intake.documents import receive_document
from salus.intake.files import find_files
from salus.intake.load import Plan, load_files
from salus.standards.fhir.model import resource_types
from salus.store import documents

KEY = b"0123456789abcdef"
WHOLE = Admission(resource_types(), resource_types(), confirms=True)
SUPPLY = """<supply classCode="SPLY" moodCode="EVN"><templateId root="1.3.6.1.4.1.12559.11.10.1.3.1.3.3"/>
  <id root="2.999.8" extension="d"/><quantity value="1" unit="1"/><product><manufacturedProduct>
  <manufacturedMaterial><name>Pinex</name></manufacturedMaterial></manufacturedProduct></product></supply>"""


@pytest.fixture
def load(database, grant):
    async def run(*paths, request="load-1"):
        allowed = grant(action=Action.LOAD, request=request)
        files = find_files([str(path) for path in paths], "urn:hospital:a")
        plan = Plan(KEY, Limits(), lookup_in(allowed, database, KEY, Limits()), workers=1)
        return await load_files(allowed, database, files, plan)

    return run


async def test_a_summary_in_cda_is_loaded_kept_and_linked(load, database, grant, tmp_path):
    entries = section("11450-4", f"<entry>{problem(ASTHMA)}</entry>") + section(
        "10160-0", f"<entry>{taken()}</entry>"
    )
    body = document(entries)
    summary, hand_over = tmp_path / "summary.xml", tmp_path / "dispensed.xml"
    summary.write_bytes(body)
    hand_over.write_bytes(document(section("60590-7", f"<entry>{SUPPLY}</entry>"), kind=DISPENSATION))
    broken = tmp_path / "broken.cda"
    broken.write_bytes(b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>')

    report = await load(summary, hand_over, broken)
    assert (report.documents, report.quarantine, report.rejected) == (2, 1, 1)
    assert report.quality is not None
    assert report.quality.mapped > 80
    assert any("concern is followed" in line.reason for line in report.quality.approximated)

    async with database.system() as connection:
        rows = await connection.fetch("SELECT type, id, compartment FROM resource WHERE NOT deleted")
        kept = await connection.fetch("SELECT id, media_type, extracted FROM document")
    types = sorted(row["type"] for row in rows)
    assert [types.count(kind) for kind in ("Condition", "MedicationStatement", "MedicationDispense")] == [
        1,
        1,
        1,
    ]
    assert [types.count(kind) for kind in ("DocumentReference", "Provenance", "Composition")] == [2, 2, 1]
    assert {row["media_type"] for row in kept} == {"text/xml"}

    allowed = grant(action=Action.READ, request="read-1")
    contents = {(await documents.retrieve(allowed, database, row["id"])).content for row in kept}
    assert body in contents
    for row in kept:
        assert any(name.startswith("Provenance/") for name in row["extracted"])

    again = await load(summary, request="load-2")
    assert (again.stored, again.documents, again.rejected) == (0, 0, 0)
    assert json.dumps(again.unchanged) == json.dumps(again.read)


async def test_the_provenance_names_the_kept_bytes_as_source(load, database, grant, tmp_path):
    path = tmp_path / "summary.xml"
    path.write_bytes(document(section("11450-4", f"<entry>{problem(ASTHMA)}</entry>")))
    await load(path)
    async with database.system() as connection:
        described = await connection.fetchval("SELECT reference FROM document")
        content = await connection.fetchval("SELECT content FROM resource WHERE type = 'Provenance'")
    provenance = json.loads(content)
    assert provenance["entity"] == [
        {"role": "source", "what": {"reference": f"DocumentReference/{described}"}}
    ]
    assert all(each["reference"].partition("/")[0].isalpha() for each in provenance["target"])


async def test_cda_in_a_document_reference_of_a_system_of_the_node_is_the_patients_own(
    load, database, grant, tmp_path
):
    path = tmp_path / "summary.xml"
    path.write_bytes(document(section("11450-4", f"<entry>{problem(ASTHMA)}</entry>")))
    await load(path)
    async with database.system() as connection:
        patient = await connection.fetchval("SELECT id FROM resource WHERE type = 'Patient'")
    body = document(section("60590-7", f"<entry>{SUPPLY}</entry>"), kind=DISPENSATION)
    received = await receive_document(
        grant(action=Action.CREATE, request="create-1"),
        database,
        body,
        "text/xml",
        source="urn:pharmacy:b",
        key=KEY,
        limits=Limits(),
        admission=WHOLE,
        described={
            "resourceType": "DocumentReference",
            "content": [{"attachment": {"title": "Handed over"}}],
        },
        subject=patient,
    )
    assert received.created
    assert any(name.startswith("MedicationDispense/") for name in received.extracted)
    async with database.system() as connection:
        rows = await connection.fetch(
            "SELECT type, compartment FROM resource WHERE type IN ('Patient', 'MedicationDispense')"
        )
    assert sorted((row["type"], row["compartment"]) for row in rows) == [
        ("MedicationDispense", patient),
        ("Patient", patient),
    ]
