"""Every document from real-format records, and from documents taken apart, follows its European profile."""

import gzip
import tarfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from salus.core.limits import Limits
from salus.intake.formats.format import Unit
from salus.intake.prepare import prepare_rows
from salus.intake.setting import Setting
from salus.primary.composing.material import Terms, material_of
from salus.primary.documents.registry import kind_about
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.profiles.categories import detect
from salus.standards.fhir.profiles.shipped import shipped_book
from salus.standards.fhir.profiles.validator import check_resource

SHARED = Path(__file__).resolve().parents[3] / "shared/data"
LIMITS = Limits(depth_max=200)
NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
TERMS = Terms("Estonia, national node", NOW, ("et",))
SETTING = Setting("https://hospital.example/fhir", "", b"k" * 32, NOW, LIMITS)
PATIENTS, OF_A_KIND = 3, 3
NOT_NEEDED = {"Claim", "ExplanationOfBenefit"}


def lines_of(path):
    if not path.exists():
        pytest.skip("needs ../shared (data/synthea, data/eehrxf)")
    with gzip.open(path) as lines:
        yield from lines


def errors(bundle):
    read = parse_json(write_json(bundle), LIMITS)
    found = detect(read)
    return [
        (one.expression, one.message)
        for one in check_resource(read, shipped_book(), found.profiles, found.inner)
        if one.severity in ("error", "fatal")
    ]


def documents(material, of_a_kind):
    """Yield documents about what is in a record, at most so many of a kind."""
    made = defaultdict(int)
    for resource in list(material.held.values()):
        kind = kind_about(resource, material)
        if kind is not None and made[kind.name] < of_a_kind:
            made[kind.name] += 1
            yield kind, resource, kind.compose(material, resource, TERMS)


def test_documents_of_synthetic_patients_follow_their_profiles():
    folder = SHARED / "synthea/patients100"
    patients = [parse_json(line, LIMITS) for line in list(lines_of(folder / "Patient.ndjson.gz"))[:PATIENTS]]
    held = {each["id"]: [] for each in patients}
    for path in sorted(folder.glob("*.ndjson.gz")):
        if path.name.partition(".")[0] in NOT_NEEDED:
            continue
        for line in lines_of(path):
            resource = parse_json(line, LIMITS)
            subject = resource.get("subject") or resource.get("patient") or {}
            name = subject.get("reference", "/").rpartition("/")[2]
            for found in [held[name]] if name in held else list(held.values()) if not name else []:
                found.append(resource)
    made = set()
    for patient in patients:
        for kind, resource, bundle in documents(material_of(held[patient["id"]], patient=patient), OF_A_KIND):
            assert errors(bundle) == [], (kind.name, resource["id"])
            made.add(kind.name)
    assert made >= {"patient-summary", "laboratory-report", "prescription"}


def taken_apart(line):
    """Return what a received document gives to the record, as a load stores it."""
    prepared = prepare_rows(Unit(0, 1, line, media="json"), SETTING)
    assert not prepared.rejections
    return [parse_json(row.content, LIMITS) | {"id": row.id} for row in prepared.rows]


def facts(resources):
    """Return the clinical facts of results: what, when, how much, in the words and codes they came in."""
    return {
        write_json(
            [
                each["code"],
                each.get("effectiveDateTime"),
                [each.get(name) for name in sorted(each) if name.startswith("value")],
                each.get("interpretation"),
                each.get("referenceRange"),
                each["status"],
            ]
        )
        for each in resources
        if each["resourceType"] == "Observation"
    }


@pytest.mark.parametrize("name", ["LAB", "EPS"])
def test_a_document_taken_apart_and_composed_again_states_the_same_facts(name):
    for number, line in enumerate(lines_of(SHARED / f"eehrxf/synderai/{name}.ndjson.gz")):
        if number % 13 or number > 40:
            continue
        resources = taken_apart(line)
        patient = next(each for each in resources if each["resourceType"] == "Patient")
        again = {}
        for kind, _, bundle in documents(material_of(resources, patient=patient), 1):
            assert errors(bundle) == [], (name, number, kind.name)
            again[kind.name] = [entry["resource"] for entry in bundle["entry"]]
        wanted = "laboratory-report" if name == "LAB" else "patient-summary"
        if name == "LAB":
            assert facts(again[wanted]) == facts(resources)
        for member in ("AllergyIntolerance", "Condition", "Immunization", "MedicationStatement"):
            codes = [
                each.get("code") or each.get("vaccineCode")
                for each in resources
                if each["resourceType"] == member
            ]
            shown = [
                each.get("code") or each.get("vaccineCode")
                for each in again[wanted]
                if each["resourceType"] == member
            ]
            if name == "EPS":
                assert sorted(map(write_json, codes)) == sorted(map(write_json, shown)), (number, member)


STATED = {
    "AllergyIntolerance": ("code", "reaction", "criticality"),
    "Condition": ("code", "clinicalStatus", "onsetDateTime"),
    "DiagnosticReport": ("code", "status", "conclusion", "effectiveDateTime"),
    "ImagingStudy": ("series", "started"),
    "Immunization": ("vaccineCode", "occurrenceDateTime"),
    "MedicationRequest": ("medicationCodeableConcept", "dosageInstruction", "status"),
    "Observation": ("code", "valueQuantity", "valueCodeableConcept", "valueString", "effectiveDateTime"),
    "Procedure": ("code", "performedDateTime"),
}


def stated(resources):
    """Return what the clinical resources among these state, without the references between them."""
    return {
        write_json([kind, *(_bare(each.get(name)) for name in STATED[kind])])
        for each in resources
        if (kind := each["resourceType"]) in STATED and each.get("status") != "registered"
    }


def _bare(value):
    if isinstance(value, dict):
        named = {name: each for name, each in value.items() if name not in ("reference", "display", "type")}
        return {name: _bare(each) for name, each in named.items()}
    return [_bare(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("package", "examples"),
    [("imaging-1.0.0-build", 3), ("laboratory-2.0.0", 5), ("hdr-1.0.0-ci", 3), ("mpd-1.0.0", 3)],
)
def test_the_examples_of_the_guides_are_taken_apart_and_composed_again(package, examples):
    path = SHARED.parent / f"fhir-packages/hl7.fhir.eu.{package}.tgz"
    if not path.exists():
        pytest.skip("needs ../shared (fhir-packages)")
    done = 0
    with tarfile.open(path) as package_file:
        names = [name for name in package_file.getnames() if name.startswith("package/example/Bundle-")]
        bodies = [package_file.extractfile(name).read() for name in names]
    for name, body in zip(names, bodies, strict=True):
        prepared = prepare_rows(Unit(0, 1, body, media="json"), SETTING)
        if prepared.rejections:  # wrong R4, as tests/property/standards/fhir/profiles/test_examples.py says
            continue
        done += 1
        resources = [parse_json(row.content, LIMITS) | {"id": row.id} for row in prepared.rows]
        patient = next((each for each in resources if each["resourceType"] == "Patient"), None)
        again = []
        for kind, _, bundle in documents(material_of(resources, patient=patient), 9):
            assert errors(bundle) == [], (name, kind.name)
            again += [entry["resource"] for entry in bundle["entry"]]
        assert stated(resources) <= stated(again), name
    assert done == examples
