"""The composed summary against the rules of IPS 2.0.1 and EPS 1.0.0, on hostile and ordinary records."""

from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from salus.primary.documents.patient_summary import EPS_BUNDLE, IPS_BUNDLE, compose_summary
from salus.primary.language import sections
from salus.primary.left_out import read_not_shown, tell_not_shown
from salus.primary.selection import section_of, select
from salus.standards.fhir.validation.validator import validate

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Silva", "given": ["Ana"]}],
    "birthDate": "1970-01-01",
}
SUBJECT = {"reference": "Patient/p1"}
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
REQUIRED = {"11450-4", "48765-2", "10160-0", "47519-4", "46264-8"}  # IPS: the first three; EPS: all five


def concept(system, code, display=None):
    return {"coding": [{"system": system, "code": code} | ({"display": display} if display else {})]}


def condition(name, status="active", code=("http://hl7.org/fhir/sid/icd-10", "I10"), **members):
    return {
        "resourceType": "Condition",
        "id": name,
        "clinicalStatus": concept(CLINICAL, status),
        "code": concept(*code),
        "subject": SUBJECT,
    } | members


def compose(*resources, languages=("et", "en"), patient=PATIENT):
    return compose_summary(
        resources, patient=patient, author_organisation="Salus", now=NOW, languages=languages
    )


def section(bundle, loinc):
    listed = bundle["entry"][0]["resource"]["section"]
    return next((each for each in listed if each["code"]["coding"][0]["code"] == loinc), None)


def test_every_required_section_is_there_even_for_an_empty_record():
    bundle = compose()
    for loinc in REQUIRED:
        found = section(bundle, loinc)
        assert found["emptyReason"]["coding"][0]["code"] == "unavailable"
        assert "entry" not in found
    assert {each.code for each in sections().values() if each.required} == REQUIRED


def test_none_known_is_never_said_of_an_empty_record_but_shown_when_recorded():
    assert "716186003" not in str(compose())
    known = {
        "resourceType": "AllergyIntolerance",
        "id": "a",
        "code": concept("http://snomed.info/sct", "716186003"),
        "patient": SUBJECT,
    }
    found = section(compose(known, languages=("en",)), "48765-2")
    assert "No known allergies" in found["text"]["div"]
    assert len(found["entry"]) == 1


def test_the_document_begins_with_its_composition_and_every_reference_stays_inside():
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "Enalapril 10 mg"}}
    request = {
        "resourceType": "MedicationRequest",
        "id": "r",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "https://pt.example/fhir/Medication/m/_history/2"},
        "encounter": {"reference": "Encounter/elsewhere"},
        "subject": SUBJECT,
    }
    bundle = compose(medication, request)
    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]][:2] == ["Composition", "Patient"]
    addresses = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(addresses)) == len(addresses)
    assert all(address.startswith("urn:uuid:") for address in addresses)
    inside = next(
        e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "MedicationRequest"
    )
    assert inside["medicationReference"]["reference"] in addresses
    assert inside["subject"]["reference"] == addresses[1]
    assert "reference" not in inside["encounter"]
    assert inside["encounter"]["display"]
    assert "Enalapril 10 mg" in section(bundle, "10160-0")["text"]["div"]


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "Essential hypertension"), ("et", "Primaarne hüpertensioon")]
)
def test_a_known_code_is_read_in_the_readers_language(language, shown):
    bundle = compose(
        condition("c", code=("http://hl7.org/fhir/sid/icd-10", "I10", "Hipertensão")), languages=(language,)
    )
    text = section(bundle, "11450-4")["text"]["div"]
    assert shown in text
    assert "Hipertensão" not in text


def test_an_unknown_code_keeps_its_original_text_and_is_marked():
    bundle = compose(condition("c", code=("urn:x", "1", "Doença rara")), languages=("et",))
    assert "Doença rara <i>(algtekst)</i>" in section(bundle, "11450-4")["text"]["div"]


def test_a_translation_carried_by_the_data_is_used():
    code = {"system": "urn:x", "code": "1", "display": "Doença rara"}
    code["_display"] = {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/translation",
                "extension": [
                    {"url": "lang", "valueCode": "et"},
                    {"url": "content", "valueString": "Haruldane haigus"},
                ],
            }
        ]
    }
    bundle = compose(condition("c") | {"code": {"coding": [code]}}, languages=("et",))
    assert "Haruldane haigus" in section(bundle, "11450-4")["text"]["div"]


def test_markup_in_a_record_never_becomes_markup_of_the_narrative():
    evil = "<script>alert(1)</script>\"'&<img src=x onerror=y>"
    bundle = compose(condition("c", code=("urn:x", "1", evil), onsetDateTime=evil), languages=("et", "en"))
    div = ElementTree.fromstring(section(bundle, "11450-4")["text"]["div"])
    tags = {element.tag.partition("}")[2] for element in div.iter()}
    assert tags <= {"div", "table", "thead", "tbody", "tr", "th", "td", "p", "i"}


def test_entries_in_error_are_left_out_and_past_problems_stand_apart():
    wrong = condition("w") | {"verificationStatus": concept("v", "entered-in-error")}
    bundle = compose(condition("now"), condition("then", status="resolved"), wrong)
    assert len(section(bundle, "11450-4")["entry"]) == 1
    assert len(section(bundle, "11348-0")["entry"]) == 1
    assert len(bundle["entry"]) == 5


def test_older_measurements_are_counted_not_dropped_silently():
    weights = [
        {
            "resourceType": "Observation",
            "id": f"o{year}",
            "status": "final",
            "category": [concept("c", "vital-signs")],
            "code": concept("http://loinc.org", "29463-7"),
            "effectiveDateTime": f"{year}-01-01",
            "valueQuantity": {"value": 70, "unit": "kg"},
        }
        for year in range(2010, 2020)
    ]
    assert select(weights).sections["vital-signs"].left_out == 7
    text = section(compose(*weights, languages=("en",)), "8716-3")["text"]["div"]
    assert "Older entries not shown: 7" in text
    assert "2019-01-01" in text
    assert "2016-01-01" not in text


@pytest.mark.parametrize(
    ("patient", "claimed"), [(PATIENT, True), ({"resourceType": "Patient", "id": "p1"}, False)]
)
def test_the_profile_is_claimed_only_by_a_document_that_keeps_its_main_rules(patient, claimed):
    assert (compose(patient=patient).get("meta") == {"profile": [EPS_BUNDLE, IPS_BUNDLE]}) is claimed


def test_the_same_record_gives_the_same_addresses():
    assert compose(condition("c")) == compose(condition("c"))


@pytest.mark.parametrize(
    ("members", "shown_in"),
    [({"intent": "plan"}, ""), ({"intent": "option"}, ""), ({"doNotPerform": True}, "cautions")],
)
def test_what_is_not_ordered_is_no_medicine_of_the_patient(members, shown_in):
    request = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    assert section_of(request) == "medications"
    assert section_of(request | members) == shown_in


OMEPRAZOLE = concept("http://www.whocc.no/atc", "A02BC01", "Omeprazole")


def medicine(kind, name, dose="", **members):
    head = {"resourceType": kind, "id": name, "status": "active", "medicationCodeableConcept": OMEPRAZOLE}
    if kind == "MedicationRequest":
        head |= {"intent": "order", "authoredOn": "2026-10-01"}
    dosage = "dosage" if kind == "MedicationStatement" else "dosageInstruction"
    return head | {"subject": SUBJECT} | ({dosage: [{"text": dose}]} if dose else {}) | members


@pytest.mark.parametrize(
    ("statement", "order", "lines"),
    [
        ({"basedOn": [{"reference": "MedicationRequest/o/_history/2"}], "dose": "1 daily"}, "1 daily", 1),
        ({"basedOn": [{"reference": "MedicationRequest/o"}], "dose": "2 daily"}, "1 daily", 2),
        ({"basedOn": [{"reference": "MedicationRequest/o"}], "status": "on-hold"}, "1 daily", 2),
        ({"derivedFrom": [{"reference": "https://x.example/fhir/MedicationRequest/o"}]}, "1 daily", 1),
        ({}, "1 daily", 2),
        ({}, "", 2),
        ({"dose": "1 daily"}, "1 daily", 1),
        ({"dose": "2 daily"}, "1 daily", 2),
        ({"status": "on-hold"}, "1 daily", 2),
        ({"medicationCodeableConcept": {"text": "Omeprazole"}}, "1 daily", 2),
    ],
)
def test_one_medicine_that_is_prescribed_and_taken_is_one_line(statement, order, lines):
    bundle = compose(
        medicine("MedicationStatement", "s", **statement), medicine("MedicationRequest", "o", order)
    )
    found = section(bundle, "10160-0")
    assert len(found["entry"]) == lines
    div = found["text"]["div"].partition('<div lang="en"')[2]
    assert div.count("taken") == 1
    assert "prescribed 1 October 2026" in div or lines == 2
    assert "prescribed" in div
    assert not order or order in div
    assert statement.get("dose", "") in div


def test_orders_of_one_medicine_again_and_again_are_one_line():
    orders = [
        medicine("MedicationRequest", f"o{day}", "1", authoredOn=f"2026-10-0{day}") for day in (1, 2, 3)
    ]
    found = section(compose(*orders), "10160-0")
    assert len(found["entry"]) == 1
    assert "2026-10-03" in found["text"]["div"]
    assert "earlier prescriptions, the same: 2" in found["text"]["div"]


@pytest.mark.parametrize(("status", "told"), [("stopped", "STOPPED: "), ("completed", "no longer taken")])
def test_a_shown_order_whose_use_has_ended_has_the_statement_beside_it(status, told):
    order = medicine("MedicationRequest", "o", "1 daily")
    ended = medicine(
        "MedicationStatement", "s", status=status, basedOn=[{"reference": "MedicationRequest/o"}]
    )
    found = section(compose(order, ended), "10160-0")
    assert len(found["entry"]) == 2
    assert told in found["text"]["div"]
    assert section(compose(order | {"status": "stopped"}, ended), "10160-0")["emptyReason"]


def test_one_substance_in_two_strengths_or_doses_is_two_lines():
    warfarin = {"system": "http://www.whocc.no/atc", "code": "B01AA03"}
    one, five = ({"coding": [warfarin], "text": f"Warfarin {strength} mg tablet"} for strength in (1, 5))
    small = medicine("MedicationRequest", "a", "as INR", medicationCodeableConcept=one)
    large = medicine("MedicationRequest", "b", medicationCodeableConcept=five)
    div = section(compose(small, large), "10160-0")["text"]["div"]
    for told in ("Warfarin 1 mg tablet", "as INR", "Warfarin 5 mg tablet"):
        assert told in div


def test_the_dosage_of_the_order_is_told_where_the_statement_has_none():
    statement = medicine("MedicationStatement", "s", basedOn=[{"reference": "MedicationRequest/o"}])
    bundle = compose(statement, medicine("MedicationRequest", "o", "40 units at night"), languages=("en",))
    found = section(bundle, "10160-0")
    assert len(found["entry"]) == 1
    assert "prescribed 1 October 2026: 40 units at night" in found["text"]["div"]
    held = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert "MedicationRequest" in held  # so that a reader elsewhere finds the dose too


PACEMAKER = {
    "resourceType": "Device",
    "id": "d",
    "status": "active",
    "type": {"text": "Implanted pacemaker"},
    "patient": SUBJECT,
}


def test_a_device_of_the_patient_is_listed_though_nobody_stated_its_use():
    found = section(compose(PACEMAKER), "46264-8")
    assert "emptyReason" not in found
    assert "Implanted pacemaker" in found["text"]["div"]
    stated = {"resourceType": "DeviceUseStatement", "id": "u", "status": "active", "subject": SUBJECT}
    stated["device"] = {"reference": "Device/d"}
    assert len(section(compose(PACEMAKER, stated), "46264-8")["entry"]) == 1


def test_a_composed_document_with_every_kind_of_entry_is_valid_r4():
    errand = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": SUBJECT,
    }
    bundle = compose(PACEMAKER, errand, condition("c"), medicine("MedicationRequest", "o", "1"))
    assert [each for each in validate(bundle) if each.severity in ("error", "fatal")] == []


CONSENT = {"resourceType": "Consent", "status": "active", "patient": SUBJECT}
CREATININE = {
    "resourceType": "Observation",
    "status": "final",
    "code": concept("http://loinc.org", "2160-0"),
    "subject": SUBJECT,
}


@pytest.mark.parametrize(
    ("resource", "shown_in"),
    [
        (CONSENT | {"category": [concept("c", "dnr")]}, "advance-directives"),
        (CONSENT | {"category": [concept("c", "polst")]}, "advance-directives"),
        (CONSENT | {"category": [concept("c", "npp")], "scope": concept("s", "adr")}, "advance-directives"),
        (CONSENT | {"category": [concept("c", "npp")]}, ""),
        (CREATININE, "results"),
        (CREATININE | {"category": [concept("c", "exam")]}, "results"),
        (CREATININE | {"category": [concept("c", "survey")]}, ""),
        (CREATININE | {"code": concept("http://loinc.org", "8867-4")}, "vital-signs"),
        (CREATININE | {"status": "registered"}, ""),
        (condition("c", verificationStatus=concept("v", "refuted")), ""),
        ({"resourceType": "ServiceRequest", "status": "active", "doNotPerform": True}, "cautions"),
        ({"resourceType": "ServiceRequest", "status": "active"}, ""),
        ({"resourceType": "FamilyMemberHistory", "status": "completed"}, "family-history"),
        ({"resourceType": "Device", "status": "inactive", "patient": SUBJECT}, ""),
        ({"resourceType": "MedicationStatement", "status": "not-taken"}, "medications"),
    ],
)
def test_where_an_entry_is_shown(resource, shown_in):
    assert section_of(resource) == shown_in


def test_the_newest_are_those_of_the_latest_moment_in_whatever_zone_they_were_written():
    written = {
        "a": "2026-11-29T01:00:00+02:00",
        "b": "2026-11-29T00:30:00+02:00",
        "c": "2026-11-29T00:10:00+02:00",
        "d": "2026-11-28T23:30:00Z",
        "e": "2026-11-28",
        "f": "2026-11",
    }
    rates = [heart_rate(name, 60, effectiveDateTime=date) for name, date in written.items()]
    found = select(rates).sections["vital-signs"]
    assert ([each["id"] for each in found.resources], found.left_out) == (["d", "a", "b"], 3)
    undated = heart_rate("u", 60, effectiveDateTime="some day")
    found = select([undated, *rates[-2:]]).sections["vital-signs"]
    assert [each["id"] for each in found.resources] == ["e", "f", "u"]


def test_of_two_findings_of_pregnancy_the_later_moment_comes_first():
    status = {"category": [], "code": concept("http://loinc.org", "82810-3")}
    yes = heart_rate("yes", 1, effectiveDateTime="2026-11-29T00:30:00+02:00", **status)
    no = heart_rate("no", 0, effectiveDateTime="2026-11-28T23:30:00Z", **status)
    assert [each["id"] for each in select([yes, no]).sections["pregnancy"].resources] == ["no", "yes"]


FETUS = {"reference": "RelatedPerson/fetus", "display": "fetus of Ana"}


def heart_rate(name, value, **members):
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "category": [concept("c", "vital-signs")],
        "code": concept("http://loinc.org", "8867-4"),
        "effectiveDateTime": "2026-11-20",
        "valueQuantity": {"value": value, "unit": "/min"},
        "subject": SUBJECT,
    } | members


@pytest.mark.parametrize(
    ("members", "shown_in"),
    [
        ({"focus": [FETUS]}, "others"),
        ({"focus": [{"display": "the baby"}]}, "others"),
        ({"focus": [{"reference": "#donor"}]}, "others"),
        ({"focus": [{"reference": "Patient/p2"}]}, "others"),
        ({"focus": [{"reference": "Device/pump"}]}, "others"),
        ({"focus": [SUBJECT, FETUS]}, "others"),
        ({"focus": [FETUS], "code": concept("http://loinc.org", "11636-8")}, "others"),
        ({"focus": [FETUS], "code": concept("http://snomed.info/sct", "304253006")}, "others"),
        ({"focus": [FETUS], "status": "cancelled"}, ""),
        (
            {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/observation-focusCode",
                        "valueCodeableConcept": {"text": "fetus"},
                    }
                ]
            },
            "others",
        ),
        ({"focus": [SUBJECT]}, "vital-signs"),
        ({"focus": [{"reference": "https://pt.example/fhir/Patient/p1"}]}, "vital-signs"),
        ({"focus": [{"reference": "BodyStructure/tumour"}]}, "vital-signs"),
        ({"focus": [{"type": "Condition", "display": "tumour"}]}, "vital-signs"),
    ],
)
def test_a_finding_about_another_is_no_finding_of_the_patient(members, shown_in):
    assert section_of(heart_rate("h", 150, **members)) == shown_in


def test_a_finding_about_another_is_told_as_such_and_displaces_none_of_the_patients():
    own = [heart_rate(f"own{day}", 60 + day, effectiveDateTime=f"2026-11-0{day}") for day in (1, 2, 3)]
    first = [heart_rate(f"a{hour}", 150, focus=[FETUS]) for hour in range(4)]
    second = heart_rate("b", 149, focus=[{"display": "second fetus"}])
    sections = select([*own, *first, second]).sections
    assert [each["id"] for each in sections["vital-signs"].resources] == ["own3", "own2", "own1"]
    assert (len(sections["others"].resources), sections["others"].left_out) == (4, 1)
    found = section(bundle := compose(*own, *first, second, languages=("en", "pt")), "others")
    assert found["title"] == "Not about the patient"
    assert "fetus of Ana, not the patient: Heart rate" in found["text"]["div"]
    assert "second fetus, não o utente: Frequência cardíaca" in found["text"]["div"]
    assert "fetus" not in section(bundle, "8716-3")["text"]["div"]
    assert [each for each in validate(bundle) if each.severity in ("error", "fatal")] == []


def test_a_reference_that_leaves_the_summary_still_says_of_what_type_it_is():
    bundle = compose(heart_rate("h", 70, focus=[{"reference": "NutritionOrder/n"}]))
    held = [each["resource"] for each in bundle["entry"]]
    found = next(each for each in held if each["resourceType"] == "Observation")
    assert found["focus"] == [
        {"display": "NutritionOrder (not part of this document)", "type": "NutritionOrder"}
    ]
    assert section_of(found) == "vital-signs"


def test_a_status_is_found_whichever_coding_comes_first():
    doubt = {"coding": [{"system": "urn:local", "code": "E1"}, {"system": "v", "code": "entered-in-error"}]}
    assert section_of(condition("c", verificationStatus=doubt)) == ""


def test_what_no_section_shows_is_counted_by_type_in_words_and_as_data():
    visits = [
        {"resourceType": "Encounter", "id": f"e{number}", "status": "finished", "subject": SUBJECT}
        for number in range(2)
    ]
    bundle = compose(*visits, condition("r", verificationStatus=concept("v", "refuted")))
    composition = bundle["entry"][0]["resource"]
    assert "Not shown in this summary: 3 (problems 1, visits 2)" in composition["text"]["div"]
    assert read_not_shown(composition) == {"Condition": 1, "Encounter": 2}
    assert "Not shown" not in compose(condition("c"))["entry"][0]["resource"]["text"]["div"]


def test_no_known_allergy_beside_an_allergy_comes_last_and_is_marked():
    none = {"resourceType": "AllergyIntolerance", "id": "n", "patient": SUBJECT, "recordedDate": "2026-01-01"}
    none["code"] = concept("http://snomed.info/sct", "716186003")
    penicillin = {"resourceType": "AllergyIntolerance", "id": "a", "patient": SUBJECT}
    penicillin["code"] = {"text": "PENICILLIN"}
    div = section(compose(none, penicillin, languages=("en",)), "48765-2")["text"]["div"]
    assert div.index("PENICILLIN") < div.index("No known allergies")
    assert "stands beside other entries" in div
    assert "stands beside" not in section(compose(none), "48765-2")["text"]["div"]


def test_the_allergies_that_matter_most_come_first_and_what_is_not_stated_is_not_called_mild():
    def allergy(name, status="active", severity="", **members):
        reaction = [{"severity": severity}] if severity else []
        return {
            "resourceType": "AllergyIntolerance",
            "id": name,
            "clinicalStatus": concept(
                "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", status
            ),
            "code": {"text": name},
            "reaction": reaction,
        } | members

    listed = [
        allergy("nuts", "resolved", "severe", criticality="high", recordedDate="2026-11-01"),
        allergy("dust", severity="mild", criticality="low", recordedDate="2026-10-01"),
        allergy("pollen", recordedDate="2020-01-01"),
        allergy("latex", criticality="high"),
        allergy("penicillin", severity="severe", criticality="high"),
    ]
    shown = [each["id"] for each in select(listed).sections["allergies"].resources]
    assert shown == ["penicillin", "latex", "pollen", "dust", "nuts"]


def test_whom_the_citizen_lets_look_is_not_counted_and_one_name_is_told_once():
    denies = {"resourceType": "Consent", "id": "k1", "status": "active", "patient": SUBJECT,
              "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
              "provision": {"type": "deny"}}  # fmt: skip
    taken_back = {**denies, "id": "k2", "status": "inactive"}
    letter = {"resourceType": "DocumentReference", "id": "d1", "status": "current", "subject": SUBJECT}
    written = {"resourceType": "Composition", "id": "d2", "status": "final", "subject": SUBJECT}
    counts = select([denies, taken_back, letter, written]).not_shown
    assert counts == {"Composition": 1, "DocumentReference": 1}
    assert tell_not_shown(counts, "en").text.count("documents") == 1
    assert "documents 2" in tell_not_shown(counts, "en").text
