"""Documents of each priority category from small records: what must be there, and what is never made up."""

from datetime import timedelta

import msgspec
import pytest
from tests.unit.primary.documents import records as r

from salus.core.limits import Limits
from salus.primary.composing.material import material_of
from salus.primary.documents.registry import kind_about, kinds
from salus.primary.left_out import read_not_shown
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.profiles.categories import categories, detect
from salus.standards.fhir.profiles.shipped import shipped_book
from salus.standards.fhir.profiles.validator import check_resource

UNKNOWN = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    ]
}
ABOUT = {
    "patient-summary": r.PATIENT,
    "laboratory-report": r.REPORT,
    "imaging-report": r.IMAGING,
    "imaging-manifest": r.STUDY,
    "discharge-report": r.ENCOUNTER,
    "prescription": r.MEDICINE,
    "dispensation": r.DISPENSE,
}


def errors(bundle):
    """Return what is wrong with a document as it would travel, by R4 and by the profiles of its category."""
    read = parse_json(write_json(bundle), Limits())
    found = detect(read)
    issues = check_resource(read, shipped_book(), found.profiles, found.inner)
    return [(one.expression, one.message) for one in issues if one.severity in ("error", "fatal")]


def test_every_priority_category_has_a_document():
    assert {kind.category for kind in kinds().values()} == set(categories())
    assert set(ABOUT) == set(kinds())


@pytest.mark.parametrize("name", ABOUT)
@pytest.mark.parametrize("record", [r.RECORD, ()], ids=["full", "bare"])
def test_a_document_follows_the_profile_of_its_category_whatever_the_record_holds(name, record):
    bundle = r.compose(ABOUT[name], *record)
    assert errors(bundle) == []
    assert detect(parse_json(write_json(bundle), Limits())).category == kinds()[name].category
    claims = [
        claim for entry in bundle["entry"] for claim in entry["resource"].get("meta", {}).get("profile", ())
    ]
    claims += bundle.get("meta", {}).get("profile", ())
    assert claims


@pytest.mark.parametrize("name", ABOUT)
def test_the_same_record_gives_the_same_document_but_for_the_time(name):
    later = msgspec.structs.replace(r.TERMS, now=r.NOW + timedelta(hours=1))
    one, other = (r.compose(ABOUT[name], *r.RECORD, terms=terms) for terms in (r.TERMS, later))
    assert one["identifier"] == other["identifier"]
    assert [entry["fullUrl"] for entry in one["entry"]] == [entry["fullUrl"] for entry in other["entry"]]
    assert one["timestamp"] != other["timestamp"]


def test_a_changed_record_gives_another_version_of_the_same_document():
    one = r.compose(r.REPORT, *r.RECORD)
    other = r.compose(r.REPORT | {"conclusion": "Sodium low.", "status": "corrected"}, *r.RECORD[:6])
    compositions = [bundle["entry"][0]["resource"] for bundle in (one, other)]
    assert one["identifier"] != other["identifier"]
    assert compositions[0]["identifier"] == compositions[1]["identifier"]
    assert [each["status"] for each in compositions] == ["final", "amended"]
    assert one["entry"][0]["fullUrl"] == other["entry"][0]["fullUrl"]


def test_a_laboratory_report_says_of_itself_what_its_report_says():
    bundle = r.compose(r.REPORT, *r.RECORD)
    composition, (report,) = bundle["entry"][0]["resource"], r.inside(bundle, "DiagnosticReport")
    assert composition["identifier"] == r.REPORT["identifier"][0]
    assert composition["type"] == report["code"] == r.REPORT["code"]
    assert composition["subject"] == report["subject"]
    assert composition["encounter"] == report["encounter"]
    assert len(composition["author"]) == 2  # who interpreted the results, and the laboratory
    assert {
        each["resourceType"] for each in r.inside(bundle, "Specimen") + r.inside(bundle, "ServiceRequest")
    } == {
        "Specimen",
        "ServiceRequest",
    }
    assert "Sodium as it should be." in r.section(bundle, "48767-8")["text"]["div"]


def test_an_author_of_whom_the_record_is_silent_is_not_made_up():
    bundle = r.compose(r.without(r.REPORT, "performer", "resultsInterpreter"), r.SODIUM)
    assert bundle["entry"][0]["resource"]["author"] == [UNKNOWN]
    assert r.inside(bundle, "Practitioner") == []


def test_who_attested_a_report_is_said_where_the_provenance_says_it():
    kind = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    provenance = {
        "resourceType": "Provenance",
        "id": "seen",
        "target": [{"reference": "DiagnosticReport/lab"}, {"reference": "Observation/elsewhere"}],
        "recorded": "2026-10-03T08:00:00Z",
        "agent": [
            {"type": r.concept("verifier", "Verifier", kind), "who": {"reference": "Practitioner/doctor"}}
        ],
    }
    bundle = r.compose(r.REPORT, *r.RECORD, provenance)
    (attester,) = bundle["entry"][0]["resource"]["attester"]
    assert (attester["mode"], attester["time"]) == ("professional", "2026-10-03T08:00:00Z")
    (told,) = r.inside(bundle, "Provenance")
    assert len(told["target"]) == 1  # what else it tells of is not in the document
    assert errors(bundle) == []


def test_an_imaging_report_is_of_the_organisation_that_performed_it():
    kind = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    who = [{"reference": "Practitioner/doctor"}, {"reference": "Organization/clinic"}]
    provenance = {
        "resourceType": "Provenance",
        "id": "written",
        "target": [{"reference": "DiagnosticReport/imaging"}],
        "recorded": "2026-10-03T08:00:00Z",
        "agent": [{"type": r.concept("author", "Author", kind), "who": each} for each in who],
    }
    report = r.IMAGING | {"performer": [{"reference": "Organization/clinic"}]}
    bundle = r.compose(report, *r.PEOPLE, r.STUDY, provenance)
    assert len(bundle["entry"][0]["resource"]["author"]) == 2
    assert errors(bundle) == []


def test_results_that_are_not_at_hand_are_counted():
    report = r.REPORT | {"result": [{"reference": "Observation/sodium"}, {"reference": "Observation/gone"}]}
    bundle = r.compose(report, *r.PEOPLE, r.SODIUM)
    assert read_not_shown(bundle["entry"][0]["resource"]) == {"Observation": 1}
    assert len(r.inside(bundle, "Observation")) == 1


def test_a_result_without_a_value_says_that_it_is_not_known():
    bundle = r.compose(r.REPORT, r.without(r.SODIUM, "valueQuantity", "effectiveDateTime", "performer"))
    (result,) = r.inside(bundle, "Observation")
    assert result["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert result["_effectiveDateTime"] == UNKNOWN
    assert errors(bundle) == []


def test_an_imaging_report_names_its_study_and_without_one_is_a_collection():
    bundle = r.compose(r.IMAGING, *r.RECORD)
    assert bundle["type"] == "document"
    (study,) = r.inside(bundle, "ImagingStudy")
    assert study["identifier"][0]["type"]["coding"][0]["code"] == "110180"
    assert r.section(bundle, "55115-0")["emptyReason"]["coding"][0]["code"] == "unavailable"
    alone = r.compose(r.IMAGING)
    assert (alone["type"], errors(alone)) == ("collection", [])
    assert r.inside(alone, "ImagingStudy") == []


@pytest.mark.parametrize(
    ("systems", "known"),
    [
        (["urn:dicom:uid", "urn:ietf:rfc:3986"], True),
        (["urn:ietf:rfc:3986"], True),
        (["urn:ietf:rfc:3986", "urn:ietf:rfc:3986"], False),
        ([], False),
    ],
)
def test_which_identifier_is_the_uid_of_a_study_is_not_guessed(systems, known):
    named = [{"system": each, "value": f"urn:oid:2.999.{n}"} for n, each in enumerate(systems, 1)]
    bundle = r.compose(r.STUDY | {"identifier": named} if named else r.without(r.STUDY, "identifier"))
    (study,) = r.inside(bundle, "ImagingStudy")
    uid = next(each for each in study["identifier"] if each.get("type"))
    assert (uid.get("value") == "urn:oid:2.999.1") is known
    assert len(study["identifier"]) == len(systems) + (not known)  # none is taken away
    follows = any(study.get("meta", {}).get("profile", ()))
    assert follows is (len(systems) < 2)  # the guide holds every identifier to that of the study


def test_a_discharge_report_tells_the_stay_and_nothing_of_another():
    other = r.SODIUM | {"id": "other", "encounter": {"reference": "Encounter/earlier"}}
    charge = {"resourceType": "NutritionOrder", "id": "diet", "encounter": {"reference": "Encounter/stay"}}
    diet = charge | {"patient": r.SUBJECT, "status": "completed", "intent": "order", "dateTime": "2026-10-02"}
    bundle = r.compose(r.ENCOUNTER, *r.RECORD, other, diet)
    assert "Came with fever; went home well." in r.section(bundle, "8648-8")["text"]["div"]
    assert [each["id"] for each in r.inside(bundle, "Observation")] == ["sodium"]
    assert len(r.section(bundle, "75311-1")["entry"]) == 1
    assert read_not_shown(bundle["entry"][0]["resource"]) == {"NutritionOrder": 1}
    assert errors(bundle) == []


def test_the_course_of_a_stay_is_never_made_up():
    bundle = r.compose(r.ENCOUNTER)
    assert r.section(bundle, "8648-8")["emptyReason"]["coding"][0]["code"] == "unavailable"


def test_medicines_of_one_prescription_go_together_and_what_is_only_planned_is_none():
    grouped = r.MEDICINE | {"groupIdentifier": {"system": "urn:oid:2.999.2", "value": "R-1"}}
    second = grouped | {"id": "second"}
    bundle = r.compose(grouped, second, *r.PEOPLE)
    assert [each["id"] for each in r.inside(bundle, "MedicationRequest")] == ["amoxicillin", "second"]
    material = material_of(
        [grouped, second, r.MEDICINE | {"id": "planned", "intent": "plan"}], patient=r.PATIENT
    )
    assert kind_about(second, material) is None
    assert kind_about(material.held["MedicationRequest/planned"], material) is None


def test_a_dispensation_brings_its_prescription_and_does_not_guess_when_it_was_recorded():
    bundle = r.compose(r.DISPENSE, *r.RECORD)
    (dispense,) = r.inside(bundle, "MedicationDispense")
    assert dispense["extension"][0]["_valueDateTime"] == UNKNOWN
    assert len(r.inside(bundle, "MedicationRequest")) == 1


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        (r.REPORT | {"status": "entered-in-error"}, "never so"),
        (r.without(r.REPORT | {"status": "registered"}, "result", "conclusion"), "nothing in it yet"),
        (r.ENCOUNTER | {"status": "in-progress"}, "not over"),
        (r.ENCOUNTER | {"class": {"system": r.ACT, "code": "AMB"}}, "no stay"),
        (r.MEDICINE | {"doNotPerform": True}, "forbids"),
        (r.DISPENSE | {"status": "declined"}, "nothing handed over"),
    ],
)
def test_there_is_no_document_about_what_is_none(about, reason):
    assert kind_about(about, material_of([about], patient=r.PATIENT)) is None, reason
