"""Summaries of real-format records are valid R4 documents that keep the main rules of IPS and EPS."""

import gzip
from collections import defaultdict
from datetime import UTC, datetime

import pytest

from salus.core.limits import Limits
from salus.primary.documents.patient_summary import PROFILES, compose_summary
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.validation.validator import validate

LIMITS = Limits(depth_max=200)
TYPES = (
    "Patient", "AllergyIntolerance", "CarePlan", "Condition", "Device", "DiagnosticReport", "Immunization",
    "MedicationRequest", "Medication", "Observation", "Procedure", "Organization", "Practitioner",
)  # fmt: skip
PATIENTS = 6


@pytest.fixture(scope="module")
def records(request):
    """Return the records of a few Synthea patients: patient and resources, by patient id."""
    from pathlib import Path

    folder = Path(__file__).resolve().parents[3] / "shared/data/synthea/patients100"
    if not folder.is_dir():
        pytest.skip("needs ../shared (data/synthea)")
    found, patients = defaultdict(list), {}
    for name in TYPES:
        path = folder / f"{name}.ndjson.gz"
        if not path.exists():
            continue
        with gzip.open(path) as lines:
            for line in lines:
                resource = parse_json(line, LIMITS)
                if name == "Patient":
                    if len(patients) < PATIENTS:
                        patients[resource["id"]] = resource
                    continue
                subject = resource.get("subject") or resource.get("patient") or {}
                found[subject.get("reference", "").split("/")[-1].removeprefix("urn:uuid:")].append(resource)
    return [(patient, found[name] + found[""]) for name, patient in patients.items()]


def test_every_summary_is_valid_and_keeps_the_main_rules(records):
    for patient, resources in records:
        composed = compose_summary(
            resources,
            patient=patient,
            author_organisation="Salus",
            now=datetime(2026, 11, 24, tzinfo=UTC),
            languages=("et", "en"),
        )
        bundle = parse_json(write_json(composed), LIMITS)
        found = [issue for issue in validate(bundle) if issue.severity in ("error", "fatal")]
        assert found == []
        assert bundle["meta"]["profile"] == [whole for whole, _ in PROFILES]
        inside = {entry["fullUrl"] for entry in bundle["entry"]}
        entries = [
            each["reference"]
            for section in bundle["entry"][0]["resource"]["section"]
            for each in section.get("entry", ())
        ]
        assert entries
        assert set(entries) <= inside
