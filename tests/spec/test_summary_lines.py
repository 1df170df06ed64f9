"""What a clinician reads of an entry: one row an entry, one column the words. Nothing changes meaning."""

from datetime import UTC, datetime

import pytest

from salus.primary.narrative import line

CHANGED = "the source changes the meaning of this entry in a way that cannot be shown here; read it there"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LOINC, SCT, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem"
VERIFICATION = f"{HL7}/condition-ver-status"
INTERPRETATION = f"{HL7}/v3-ObservationInterpretation"
ABSENT = f"{HL7}/data-absent-reason"


def coded(system, code, text=None):
    return {"coding": [{"system": system, "code": code}]} | ({"text": text} if text else {})


def quantity(value, code, unit=None):
    return {"value": value, "system": UCUM, "code": code} | ({"unit": unit} if unit else {})


def observation(**members):
    return {"resourceType": "Observation", "status": "final", "code": {"text": "X"}, **members}


def condition(**members):
    active = {"clinicalStatus": coded(f"{HL7}/condition-clinical", "active")}
    return {"resourceType": "Condition", "code": {"text": "X"}, **active, **members}


DAILY = {"text": "1 daily"}


def order(*dosages, **members):
    product = {"medicationCodeableConcept": {"text": "X"}}
    head = {"resourceType": "MedicationRequest", "status": "active", "intent": "order", **product}
    return head | ({"dosageInstruction": list(dosages)} if dosages else {}) | members


@pytest.mark.parametrize("intent", ["proposal", "plan", "option"])
def test_what_is_only_planned_is_not_said_to_be_prescribed(intent):
    assert read(order(DAILY, intent=intent))[1].startswith("only planned or proposed, no prescription; ")
    assert read(order(DAILY))[1].startswith("prescribed; ")


def test_what_was_done_is_not_said_to_be_over_and_an_error_is_loud_in_every_type():
    period = {"start": "2026-01-01", "end": "2026-01-02"}
    done = {
        "resourceType": "Procedure",
        "status": "completed",
        "code": {"text": "X"},
        "performedPeriod": period,
    }
    assert "over" not in read(done)[1]
    for wrong in (order(DAILY, status="entered-in-error"), observation(status="entered-in-error")):
        assert "ENTERED IN ERROR" in read(wrong)[1]


def test_how_a_prescription_is_to_be_dispensed_is_told():
    asked = {
        "dispenseInterval": quantity(28, "d"),
        "initialFill": {"quantity": {"value": 5, "unit": "patch"}},
    }
    substitution = {"allowedCodeableConcept": coded(f"{HL7}/v3-substanceAdminSubstitution", "G")}
    told = read(order(DAILY, dispenseRequest=asked, substitution=substitution))[1]
    assert "at least 28 days between hand-overs" in told
    assert "first hand-over: 5 patch" in told
    assert "on substitution: a generic of the same composition" in told


def resuscitation(**provision):
    return {
        "resourceType": "Consent",
        "status": "active",
        "category": [coded(f"{HL7}/consentcategorycodes", "dnr")],
        "provision": {"type": "deny", "code": [{"text": "CPR"}]} | provision,
    }


def read(resource, language="en", **held):
    shown = line(resource, held, language, now=NOW)
    return shown.what.text, "; ".join(detail.text for detail in shown.details), shown.when


FINDINGS = [
    ({"valueBoolean": False}, "no; final"),
    ({"valueBoolean": True}, "yes; final"),
    ({"dataAbsentReason": coded(ABSENT, "not-performed")}, "no value: not performed; final"),
    ({}, "no value recorded; final"),
    (
        {"hasMember": [{"reference": "Observation/y"}]},
        "no value of its own; its parts are entries of their own; final",
    ),
    (
        {
            "_valueString": {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                        "valueCode": "masked",
                    }
                ]
            }
        },
        "no value: hidden; final",
    ),
    ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}, "1:128; final"),
    ({"valueRatio": {"numerator": quantity(1, "1", "1"), "denominator": {"value": 128}}}, "1:128; final"),
    (
        {"valueRatio": {"numerator": quantity(100, "mL"), "denominator": quantity(8, "h")}},
        "100 mL / 8 hours; final",
    ),
    ({"valueRange": {"low": quantity(5, "mg/dL"), "high": quantity(10, "mg/dL")}}, "5 to 10 mg/dL; final"),
    ({"valueRange": {"low": quantity(5, "mg/dL")}}, "at least 5 mg/dL; final"),
    ({"valueQuantity": quantity("37.20", "Cel")}, "37.20 °C; final"),
    ({"valueQuantity": quantity(120, "mm[Hg]", "mm[Hg]")}, "120 mmHg; final"),
    ({"valueQuantity": quantity(7, "10*9/L")}, "7 ×10⁹/L; final"),
    ({"valueQuantity": quantity(60, "mL/min/{1.73_m2}")}, "60 mL/min/1.73 m²; final"),
    ({"valueQuantity": quantity(24, "kg/m2")}, "24 kg/m²; final"),
    ({"valueQuantity": quantity(2, "{INR}")}, "2 INR; final"),
    ({"valueQuantity": quantity(5, "1")}, "5; final"),
    ({"valueQuantity": quantity(5, "[unheard_of]")}, "5 [unheard_of]; final"),
    ({"valueQuantity": quantity(5, "ug", "mg")}, "5 mg (by its code: µg); final"),
    ({"valueQuantity": {"value": 5}}, "5 (unit not stated); final"),
    ({"valueQuantity": {"value": 5, "comparator": "<=", "unit": "ng/L"}}, "≤5 ng/L; final"),
    ({"valueQuantity": {"unit": "mmol/L"}}, "not stated mmol/L; final"),
    ({"valueInteger": 4}, "4; final"),
    ({"valueString": "trace"}, "trace; final"),
    ({"valueCodeableConcept": {"text": "atrial fibrillation"}}, "atrial fibrillation; final"),
    ({"valueTime": "08:30:00"}, "08:30:00; final"),
    ({"valueDateTime": "2026-01-02"}, "2 January 2026; final"),
    (
        {"valuePeriod": {"start": "2026-01-02", "end": "2026-01-03"}},
        "from 2 January 2026 until 3 January 2026 (this time is over); final",
    ),
    (
        {"valueSampledData": {"period": 1, "dimensions": 1, "origin": {"value": 0}}},
        "a recorded signal, not shown here; see the source; final",
    ),
    ({"valueAttachment": {}}, "a value that cannot be shown here; see the source; final"),
    (
        {
            "valueQuantity": quantity("7.1", "mmol/L"),
            "interpretation": [coded(INTERPRETATION, "HH")],
            "referenceRange": [{"low": quantity("3.5", "mmol/L"), "high": quantity("5.0", "mmol/L")}],
        },
        "7.1 mmol/L, CRITICALLY HIGH, reference range 3.5 to 5.0 mmol/L; final",
    ),
    (
        {
            "component": [
                {"code": {"text": "GCS eye"}, "valueInteger": 4},
                {"code": {"text": "rhythm"}, "valueCodeableConcept": {"text": "sinus"}},
                {"code": {"text": "cuff"}, "dataAbsentReason": coded(ABSENT, "error")},
                {"code": {"text": "pulse"}},
            ]
        },
        "GCS eye: 4; rhythm: sinus; cuff: no value: an error happened; pulse: no value recorded; final",
    ),
    (
        {"valueInteger": 1, "bodySite": {"text": "left arm"}, "note": [{"text": "haemolysed"}]},
        "1; final; site: left arm; note: haemolysed",
    ),
    ({"valuePeriod": {"start": "2027-01-02"}}, "from 2 January 2027 (not begun yet); final"),
]


@pytest.mark.parametrize(("members", "told"), FINDINGS)
def test_a_finding_is_told_with_its_value_or_why_it_has_none(members, told):
    assert read(observation(**members))[1] == told


PROBLEMS = [
    ({}, "active"),
    ({"verificationStatus": coded(VERIFICATION, "confirmed")}, "active"),
    ({"verificationStatus": coded(VERIFICATION, "unconfirmed")}, "UNCONFIRMED; active"),
    (
        {"verificationStatus": coded(VERIFICATION, "differential")},
        "SUSPECTED, one of several possible diagnoses; active",
    ),
    ({"verificationStatus": coded("urn:x", "maybe")}, "maybe; active"),
    (
        {
            "severity": {"text": "severe"},
            "bodySite": [{"text": "left kidney"}],
            "note": [{"text": "single kidney"}],
        },
        "active; severity: severe; site: left kidney; note: single kidney",
    ),
    (
        {"onsetAge": quantity(45, "a"), "abatementDateTime": "2020-01"},
        "onset: at the age of 45 years; ended: January 2020; active",
    ),
    ({"onsetString": "in childhood"}, "onset: in childhood; active"),
    ({"stage": [{"summary": {"text": "T2"}}]}, "stage: T2; active"),
    ({"recordedDate": "2020-02-03"}, "active; recorded 3 February 2020"),
    (
        {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
        f"{CHANGED}; active",
    ),
]


@pytest.mark.parametrize(("members", "told"), PROBLEMS)
def test_a_diagnosis_is_told_with_its_doubt_place_and_time(members, told):
    assert read(condition(**members))[1] == told


WEEKLY = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}
DOSES = [
    ([], "dosage not stated"),
    ([{"timing": WEEKLY, "doseAndRate": [{"doseQuantity": quantity(10, "mg")}]}], "10 mg, once a WEEK"),
    (
        [
            {
                "text": "10 mg",
                "asNeededBoolean": True,
                "maxDosePerPeriod": {"numerator": quantity(40, "mg"), "denominator": quantity(1, "d")},
            }
        ],
        "10 mg (as needed, at most 40 mg in 1 day)",
    ),
    (
        [
            {
                "timing": {"code": coded(f"{HL7}/v3-GTSAbbreviation", "BID")},
                "route": coded(SCT, "34206005"),
                "doseAndRate": [{"doseQuantity": quantity(12, "[IU]")}],
            }
        ],
        "12 IU, 2 times a day, route: subcutaneous (under the skin)",
    ),
    (
        [
            {
                "timing": {
                    "code": coded(f"{HL7}/v3-GTSAbbreviation", "BID"),
                    "repeat": {"frequency": 2, "period": 1, "periodUnit": "d"},
                }
            }
        ],
        "2 times a day",
    ),
    (
        [
            {
                "timing": {
                    "code": coded(f"{HL7}/v3-GTSAbbreviation", "BID"),
                    "repeat": {"frequency": 3, "period": 1, "periodUnit": "d"},
                }
            }
        ],
        "3 times a day, 2 times a day",
    ),
    (
        [
            {
                "timing": {
                    "repeat": {
                        "frequency": 1,
                        "period": 4,
                        "periodMax": 6,
                        "periodUnit": "h",
                        "count": 6,
                        "boundsDuration": quantity(7, "d"),
                    }
                }
            }
        ],
        "once every 4 to 6 hours, 6 times in total, for 7 days",
    ),
    (
        [{"timing": {"repeat": {"when": ["ACM"], "offset": 30, "dayOfWeek": ["mon", "thu"]}}}],
        "on Monday, Thursday, before breakfast, 30 minutes away",
    ),
    (
        [{"timing": {"repeat": {"period": 1, "periodUnit": "d", "timeOfDay": ["08:00:00", "20:00:00"]}}}],
        "at 08:00, 20:00",
    ),
    (
        [{"timing": {"repeat": {"boundsPeriod": {"start": "2026-01-01", "end": "2026-02-01"}}}}],
        "from 1 January 2026 until 1 February 2026 (this time is over)",
    ),
    (
        [{"timing": {"event": ["2026-12-24"]}, "doseAndRate": [{"rateQuantity": quantity(5, "mL/h")}]}],
        "at a rate of 5 mL/h, on 24 December 2026",
    ),
    (
        [{"doseAndRate": [{"rateRatio": {"numerator": quantity(1, "L"), "denominator": quantity(8, "h")}}]}],
        "at a rate of 1 L / 8 hours",
    ),
    ([{"timing": {"repeat": {"duration": 2, "durationUnit": "h"}}}], "each time lasting 2 hours"),
    (
        [
            {
                "asNeededCodeableConcept": {"text": "pain"},
                "method": {"text": "chew"},
                "site": {"text": "left eye"},
                "maxDosePerAdministration": quantity(2, "{tablet}"),
                "maxDosePerLifetime": quantity(550, "mg/m2"),
            }
        ],
        "as needed: pain, site: left eye, method: chew, at most 2 tablets at once, "
        "at most 550 mg/m² in a lifetime",
    ),
    (
        [{"additionalInstruction": [{"text": "with food"}], "patientInstruction": "sit down"}],
        "instruction: with food, to the patient: sit down",
    ),
    (
        [
            {
                "doseAndRate": [
                    {"type": coded(f"{HL7}/dose-rate-type", "ordered"), "doseQuantity": quantity(5, "mg")},
                    {"type": coded(f"{HL7}/dose-rate-type", "calculated"), "doseQuantity": quantity(4, "mg")},
                ]
            }
        ],
        "ordered: 5 mg, calculated: 4 mg",
    ),
    ([{"sequence": 2, "text": "then 1"}, {"sequence": 1, "text": "2 daily"}], "1) 2 daily; 2) then 1"),
    (
        [{"extension": [{"url": "urn:x", "valueBoolean": True}]}],
        "a dosage that cannot be shown here; see the source",
    ),
]


GTS = f"{HL7}/v3-GTSAbbreviation"
TIMES = [
    ({"coding": [{"system": "urn:x:local", "code": "MO"}], "text": "Mondays"}, "Mondays"),
    ({"coding": [{"system": "urn:x:local", "code": "WK", "display": "working days"}]}, "working days"),
    (
        {"coding": [{"system": "urn:x:local", "code": "AM", "display": "alternate months"}]},
        "alternate months",
    ),
    ({"coding": [{"system": "urn:x:local", "code": "MO"}]}, "MO"),
    ({"coding": [{"code": "MO"}]}, "MO"),
    ({"coding": [{"code": "BID"}], "text": "morning and evening"}, "morning and evening"),
    (coded(GTS, "QD", "every other day"), "once a day, every other day"),
    (coded(GTS, "BID", "BID"), "2 times a day"),
    (coded(GTS, "BID", "2 TIMES A DAY"), "2 times a day"),
    (
        {"coding": [{"system": GTS, "code": "TID", "display": "every second day"}]},
        "3 times a day, every second day",
    ),
    (
        {
            "coding": [
                {"system": "urn:x:local", "code": "2D", "display": "twice daily with food"},
                {"system": GTS, "code": "BID"},
            ],
            "text": "at meals",
        },
        "2 times a day, twice daily with food, at meals",
    ),
    (
        {"coding": [{"system": GTS, "code": "BID"}, {"system": GTS, "code": "QD"}]},
        "2 times a day, once a day",
    ),
]


@pytest.mark.parametrize(("code", "told"), TIMES)
def test_a_code_of_timing_is_hl7s_only_in_its_system_and_what_was_written_is_told(code, told):
    assert read(order({"timing": {"code": code}}))[1] == f"prescribed; {told}; active"


def test_what_was_written_of_a_timing_is_not_told_twice():
    repeat = {"frequency": 2, "period": 1, "periodUnit": "d"}
    timing = {"code": coded(GTS, "BID", "2 times a day"), "repeat": repeat}
    assert read(order({"timing": timing}))[1] == "prescribed; 2 times a day; active"


@pytest.mark.parametrize(("dosages", "told"), DOSES)
def test_a_dose_is_told_in_full(dosages, told):
    assert read(order(*dosages))[1] == f"prescribed; {told}; active"


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "2.5 mg, once a WEEK"),
        ("et", "2,5 mg, üks kord NÄDALAS"),
        ("pt", "2,5 mg, uma vez por SEMANA"),
        ("fr", "2,5 mg, une fois par SEMAINE"),
        ("de", "2,5 mg, einmal pro WOCHE"),
        ("xx", "2.5 mg, once a WEEK"),
    ],
)
def test_a_dose_is_told_in_the_readers_language(language, told):
    dosage = {"timing": WEEKLY, "doseAndRate": [{"doseQuantity": quantity("2.5", "mg")}]}
    assert told in read(order(dosage), language)[1]


ALLERGY = {
    "resourceType": "AllergyIntolerance",
    "code": {"text": "Penicillin"},
    "clinicalStatus": coded(f"{HL7}/allergyintolerance-clinical", "active"),
    "verificationStatus": coded(f"{HL7}/allergyintolerance-verification", "unconfirmed"),
    "criticality": "high",
    "reaction": [
        {
            "substance": {"text": "amoxicillin"},
            "manifestation": [{"text": "Anaphylaxis"}],
            "severity": "severe",
            "description": "intubated 2019",
        }
    ],
}
VACCINE = {
    "resourceType": "Immunization",
    "status": "completed",
    "vaccineCode": {"text": "MMR"},
    "occurrenceDateTime": "2020-05-01",
    "protocolApplied": [{"doseNumberPositiveInt": 1, "seriesDosesPositiveInt": 2}],
    "lotNumber": "A1",
}
DEVICE = {
    "resourceType": "Device",
    "id": "d",
    "deviceName": [{"name": "Pacer 3", "type": "user-friendly-name"}],
    "type": {"text": "Implanted pacemaker"},
    "safety": [{"text": "MRI unsafe"}],
}
OTHERS = [
    (
        ALLERGY,
        "Penicillin",
        "reaction: Anaphylaxis, SEVERE, intubated 2019, to amoxicillin; UNCONFIRMED; active; high risk",
    ),
    (VACCINE, "MMR", "dose 1 of 2; lot A1; completed"),
    (
        VACCINE
        | {"status": "not-done", "statusReason": {"text": "allergy"}, "protocolApplied": [], "lotNumber": ""},
        "NOT given: MMR",
        "not done; reason of the status: allergy",
    ),
    (order(doNotPerform=True), "NOT to be given or done: X", "active"),
    (
        order(
            medicationCodeableConcept=None,
            medicationReference={"reference": "#m"},
            contained=[{"resourceType": "Medication", "id": "m", "code": {"text": "Amoxicillin 500 mg"}}],
        ),
        "Amoxicillin 500 mg",
        "prescribed; dosage not stated; active",
    ),
    (
        order({"text": "1"}, dispenseRequest={"validityPeriod": {"end": "2012-02-01"}}),
        "X",
        "prescribed; prescription valid until 1 February 2012 (this time is over); 1; active",
    ),
    (
        {
            "resourceType": "MedicationStatement",
            "status": "active",
            "medicationCodeableConcept": {"text": "X"},
            "effectivePeriod": {"start": "2025-01-01", "end": "2025-02-01"},
            "dosage": [{"text": "1"}],
        },
        "X",
        "taken; in use: from 1 January 2025 until 1 February 2025 (this time is over); 1; active",
    ),
    (
        {
            "resourceType": "MedicationStatement",
            "status": "not-taken",
            "medicationCodeableConcept": {"text": "X"},
        },
        "NOT taken: X",
        "dosage not stated; not taken",
    ),
    (
        {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "code": {"text": "CT head"},
            "conclusion": "Subdural haematoma left",
            "presentedForm": [{}],
        },
        "CT head",
        "conclusion: Subdural haematoma left; attached documents, not shown here: 1; final",
    ),
    (
        {
            "resourceType": "Procedure",
            "status": "preparation",
            "code": {"text": "Hip"},
            "bodySite": [{"text": "right hip"}],
        },
        "Hip",
        "planned, not done yet; site: right hip",
    ),
    (
        {"resourceType": "DeviceUseStatement", "status": "active", "device": {"reference": "Device/d"}},
        "Implanted pacemaker (Pacer 3)",
        "safety: MRI unsafe; active",
    ),
    (
        resuscitation(),
        "DO NOT RESUSCITATE",
        "kind: DO NOT RESUSCITATE; CPR: NOT permitted; active",
    ),
    (
        resuscitation(period={"end": "2026-01-31"}),
        "EXPIRED: DO NOT RESUSCITATE",
        "kind: DO NOT RESUSCITATE; CPR: NOT permitted; until 31 January 2026 (this time is over); active",
    ),
    (
        resuscitation(period={"start": "2027-01-31"}),
        "NOT IN FORCE YET: DO NOT RESUSCITATE",
        "kind: DO NOT RESUSCITATE; CPR: NOT permitted; from 31 January 2027 (not begun yet); active",
    ),
    (
        resuscitation(type="permit"),
        "DO NOT RESUSCITATE",
        "what it permits may contradict its kind; ask which is right; kind: DO NOT RESUSCITATE; "
        "CPR: permitted; active",
    ),
    (
        {
            "resourceType": "FamilyMemberHistory",
            "status": "completed",
            "relationship": {"text": "mother"},
            "condition": [{"code": {"text": "breast cancer"}, "onsetAge": quantity(40, "a")}],
        },
        "mother",
        "breast cancer, onset: at the age of 40 years; completed",
    ),
    (
        {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "medicationCodeableConcept": {"text": "X"},
            "dosage": {"dose": quantity(2, "mg"), "route": coded(SCT, "47625008")},
        },
        "X",
        "2 mg, route: intravenous (into a vein); completed",
    ),
]


FOCI = [
    ({"focus": [{"display": "fetus"}]}, "fetus, not the patient: X", ""),
    ({"focus": [{"reference": "RelatedPerson/f"}]}, "fetus (by ultrasound), not the patient: X", ""),
    ({"focus": [{"reference": "RelatedPerson/g"}]}, "Baby Silva, not the patient: X", ""),
    ({"focus": [{"reference": "RelatedPerson/x"}]}, "RelatedPerson/x, not the patient: X", ""),
    ({"focus": [{"reference": "urn:uuid:1"}]}, "fetus (by ultrasound), not the patient: X", ""),
    ({"focus": [{"identifier": {"value": "1"}}]}, "someone or something else, not the patient: X", ""),
    ({"focus": [{"display": "donor"}, {"display": "kidney"}]}, "donor, kidney, not the patient: X", ""),
    ({"focus": [{"reference": "Condition/t"}]}, "X", "about: Melanoma; "),
    ({"focus": [{"reference": "urn:uuid:2"}]}, "X", "about: Melanoma; "),
    ({"focus": [{"reference": "Patient/p"}]}, "X", ""),
]


@pytest.mark.parametrize(("members", "name", "about"), FOCI)
def test_whom_or_what_a_finding_is_about_is_told(members, name, about):
    fetus = {"resourceType": "RelatedPerson", "relationship": [{"text": "fetus (by ultrasound)"}]}
    baby = {"resourceType": "RelatedPerson", "name": [{"given": ["Baby"], "family": "Silva"}]}
    tumour = {"resourceType": "Condition", "code": {"text": "Melanoma"}}
    held = {"RelatedPerson/f": fetus, "urn:uuid:1": fetus, "RelatedPerson/g": baby}
    held |= {"Condition/t": tumour, "urn:uuid:2": tumour}
    found = observation(subject={"reference": "Patient/p"}, valueInteger=5, **members)
    assert read(found, **held)[:2] == (name, f"{about}5; final")


@pytest.mark.parametrize(("resource", "name", "told"), OTHERS)
def test_what_changes_the_meaning_of_an_entry_is_told(resource, name, told):
    assert read(resource, **{"Device/d": DEVICE})[:2] == (name, told)


USES = [
    ("active", "X", "taken"),
    ("completed", "X", "no longer taken"),
    ("stopped", "STOPPED: X", "no longer taken"),
    ("intended", "X", "to be taken later"),
    ("on-hold", "X", "paused: not taken for now"),
    ("unknown", "X", "not known whether taken"),
    (None, "X", "not known whether taken"),
    ("not-taken", "NOT taken: X", "dosage not stated"),
]


@pytest.mark.parametrize(("status", "name", "use"), USES)
def test_a_medicine_is_said_to_be_taken_only_when_the_statement_says_so(status, name, use):
    statement = {"resourceType": "MedicationStatement", "medicationCodeableConcept": {"text": "X"}}
    what, details, _ = read(statement | ({"status": status} if status else {}))
    assert (what, details.split("; ")[0]) == (name, use)


def test_one_order_is_counted_once_however_its_reference_is_written():
    one = order({"text": "1"}, authoredOn="2026-11-15")
    statement = order(resourceType="MedicationStatement", dosage=[{"text": "2"}])
    statement |= {"basedOn": [{"reference": "https://node/fhir/MedicationRequest/o"}]}
    statement |= {"derivedFrom": [{"reference": "MedicationRequest/o/_history/1"}]}
    held = {"MedicationRequest/o": one, "https://node/fhir/MedicationRequest/o": one}
    assert read(statement, **held)[1] == "taken; prescribed 15 November 2026: 1; 2; active"


def test_orders_that_differ_are_each_told_and_not_called_the_same():
    listed = {
        "MedicationRequest/a": order({"text": "1"}, authoredOn="2026-11-01"),
        "MedicationRequest/b": order({"text": "2"}, authoredOn="2026-11-15"),
        "MedicationRequest/c": order({"text": "2"}, authoredOn="2026-11-10"),
        "MedicationRequest/d": order({"text": "1"}, authoredOn="2026-10-01", status="stopped"),
    }
    statement = order(resourceType="MedicationStatement", basedOn=[{"reference": name} for name in listed])
    assert read(statement, **listed)[1] == (
        "taken; prescribed 15 November 2026: 2; prescribed 1 November 2026: 1; "
        "prescribed 1 October 2026: 1, stopped; "
        "earlier prescriptions, the same: 1; dosage not stated; active"
    )
