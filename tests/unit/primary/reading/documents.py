"""Synthetic documents of the six priority categories, small and awkward, as other systems send them."""

LOINC, SCT, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem"
XHTML = "http://www.w3.org/1999/xhtml"
ATTACK = '#read("/etc/passwd") *x* $y$ <script>alert(1)</script>'


def coded(system, code, display=None, **more):
    coding = {"system": system, "code": code} | ({"display": display} if display else {}) | more
    return {"coding": [coding]}


def quantity(value, code, unit=None):
    return {"value": value, "system": UCUM, "code": code} | ({"unit": unit} if unit else {})


def text(inner, status="generated", language=None):
    lang = f' lang="{language}" xml:lang="{language}"' if language else ""
    return {"status": status, "div": f'<div xmlns="{XHTML}"{lang}>{inner}</div>'}


def section(code, title, *entries, **more):
    named = {"entry": [{"reference": each} for each in entries]} if entries else {}
    return {"title": title, "code": coded(LOINC, code), **named, **more}


PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [{"type": {"text": "AMKA"}, "system": "urn:oid:1.2.3", "value": "15016512345"}],
    "name": [{"use": "official", "family": "Παπαδοπούλου", "given": ["Ελένη", "Μαρία"]}],
    "gender": "female",
    "birthDate": "1965-01-15",
    "telecom": [{"system": "phone", "value": "+30 210 0000000"}],
    "address": [{"line": ["Οδός Αριστοτέλους 10"], "postalCode": "10433", "city": "Αθήνα", "country": "GR"}],
    "generalPractitioner": [{"display": "Δρ. Νίκος Γεωργίου"}],
}
PRACTITIONER = {"resourceType": "Practitioner", "id": "d", "name": [{"text": "Δρ. Άννα Ιωάννου"}]}
ORGANIZATION = {"resourceType": "Organization", "id": "o", "name": "Γενικό Νοσοκομείο Αθηνών"}
ROLE = {
    "resourceType": "PractitionerRole",
    "id": "r",
    "practitioner": {"reference": "Practitioner/d"},
    "organization": {"reference": "Organization/o"},
}


def document(kind, title, sections, *resources, language="el", **more):
    composition = {
        "resourceType": "Composition",
        "id": "c",
        "language": language,
        "status": "final",
        "type": coded(LOINC, kind),
        "subject": {"reference": "Patient/p"},
        "date": "2026-05-03T10:30:00+03:00",
        "author": [{"reference": "PractitionerRole/r"}],
        "attester": [{"mode": "legal", "time": "2026-05-03", "party": {"reference": "Practitioner/d"}}],
        "custodian": {"reference": "Organization/o"},
        "title": title,
        "section": sections,
        **more,
    }
    held = [composition, PATIENT, PRACTITIONER, ORGANIZATION, ROLE, *resources]
    return {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {
            "system": "urn:ietf:rfc:3986",
            "value": "urn:uuid:5b4e5e1a-0000-4000-8000-000000000001",
        },
        "timestamp": "2026-05-03T10:31:00+03:00",
        "entry": [
            {"fullUrl": f"https://sys.example/fhir/{each['resourceType']}/{each['id']}", "resource": each}
            for each in held
        ],
    }


def result(identity, loinc, name, value, when, **more):
    measured = {"valueQuantity": value} if isinstance(value, dict) else {}
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": coded(LOINC, loinc, name),
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": when,
        **measured,
        **more,
    }


def between(low, high, code):
    return {"referenceRange": [{"low": quantity(low, code), "high": quantity(high, code)}]}


def judged(code):
    return {"interpretation": [coded(f"{HL7}/v3-ObservationInterpretation", code)]}


TRANSLATED = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/translation",
            "extension": [
                {"url": "lang", "valueCode": "en"},
                {"url": "content", "valueString": "Allergy to penicillin"},
            ],
        }
    ]
}
SUMMARY = document(
    "60591-5",
    "Συνοπτικό ιστορικό υγείας",
    [
        section("11450-4", "Προβλήματα υγείας", "Condition/asthma", "Condition/doubt", "Condition/over"),
        section("48765-2", "Αλλεργίες", "AllergyIntolerance/penicillin"),
        section("10160-0", "Φάρμακα", "MedicationStatement/m", "MedicationStatement/gone"),
        section("47519-4", "Επεμβάσεις", emptyReason=coded(f"{HL7}/list-empty-reason", "notasked")),
        section(
            "30954-2", "Εξετάσεις", "Observation/a1", "Observation/a2", "Observation/a3", "Observation/bp"
        ),
        section("8716-3", "Ζωτικά σημεία", text=text("<p>Σφυγμός 72/min&nbsp;</p>", "additional", "el")),
        section("47420-5", "Λειτουργική κατάσταση", "ClinicalImpression/i"),
    ],
    {
        "resourceType": "Condition",
        "id": "asthma",
        "clinicalStatus": coded(f"{HL7}/condition-clinical", "active"),
        "code": coded("http://hl7.org/fhir/sid/icd-10", "J45.9", "Άσθμα"),
        "onsetDateTime": "2011-03",
    },
    {
        "resourceType": "Condition",
        "id": "doubt",
        "clinicalStatus": coded(f"{HL7}/condition-clinical", "active"),
        "verificationStatus": coded(f"{HL7}/condition-ver-status", "differential"),
        "code": {"text": ATTACK},
    },
    {
        "resourceType": "Condition",
        "id": "over",
        "clinicalStatus": coded(f"{HL7}/condition-clinical", "resolved"),
        "code": {"text": "Πνευμονία"},
        "onsetDateTime": "2020-01-10",
        "abatementDateTime": "2020-02-01",
    },
    {
        "resourceType": "AllergyIntolerance",
        "id": "penicillin",
        "clinicalStatus": coded(f"{HL7}/allergyintolerance-clinical", "active"),
        "verificationStatus": coded(f"{HL7}/allergyintolerance-verification", "confirmed"),
        "criticality": "high",
        "code": coded(SCT, "99999", "Αλλεργία στην πενικιλίνη", _display=TRANSLATED),
        "reaction": [{"manifestation": [coded(SCT, "39579001", "Αναφυλαξία")], "severity": "severe"}],
    },
    {
        "resourceType": "MedicationStatement",
        "id": "m",
        "status": "active",
        "medicationReference": {"reference": "Medication/metformin"},
        "effectivePeriod": {"start": "2024-01-01"},
        "dosage": [
            {
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d", "when": ["CM", "CV"]}},
                "doseAndRate": [{"doseQuantity": quantity(1, "{tablet}")}],
            }
        ],
    },
    {
        "resourceType": "Medication",
        "id": "metformin",
        "form": {"text": "δισκίο"},
        "ingredient": [
            {
                "itemCodeableConcept": coded("http://www.whocc.no/atc", "A10BA02", "μετφορμίνη"),
                "strength": {"numerator": quantity(850, "mg"), "denominator": quantity(1, "{tablet}")},
            }
        ],
    },
    result("a1", "4548-4", "HbA1c", quantity(6.1, "%"), "2025-01-10", **between(4.0, 6.0, "%")),
    result("a2", "4548-4", "HbA1c", quantity(6.9, "%"), "2025-07-10", **between(4.0, 6.0, "%")),
    result(
        "a3", "4548-4", "HbA1c", quantity(7.4, "%"), "2026-01-10", **between(4.0, 6.0, "%"), **judged("H")
    ),
    result(
        "bp",
        "85354-9",
        "Αρτηριακή πίεση",
        None,
        "2026-01-10",
        component=[
            {"code": coded(LOINC, "8480-6"), "valueQuantity": quantity(128, "mm[Hg]")},
            {"code": coded(LOINC, "8462-4"), "dataAbsentReason": coded(f"{HL7}/data-absent-reason", "error")},
        ],
    ),
    {
        "resourceType": "ClinicalImpression",
        "id": "i",
        "status": "completed",
        "text": text("<p>Βαδίζει <b>μόνη</b> της.</p>", language="el"),
    },
    {"resourceType": "Goal", "id": "g", "lifecycleStatus": "active", "description": {"text": "HbA1c < 7"}},
)
LABORATORY = document(
    "11502-2",
    "Εργαστηριακή έκθεση",
    [
        section(
            "26436-6",
            "Αποτελέσματα",
            section=[
                section("18719-5", "Βιοχημικά", "Observation/k", "Observation/na", "Observation/none"),
                section("18725-2", "Μικροβιολογία", "Observation/panel"),
            ],
        ),
        section("48767-8", "Σχόλια", text=text("<p>Αιμόλυση +</p>", "additional")),
    ],
    result(
        "k",
        "2823-3",
        "Κάλιο",
        quantity(6.4, "mmol/L"),
        "2026-05-03T07:15:00+03:00",
        **between(3.5, 5.1, "mmol/L"),
        **judged("HH"),
        specimen={"reference": "Specimen/s"},
        performer=[{"reference": "Organization/o"}],
    ),
    result("na", "2951-2", "Νάτριο", quantity(131, "mmol/L"), "2026-05-03", **between(136, 145, "mmol/L")),
    result(
        "none",
        "2345-7",
        "Γλυκόζη",
        None,
        "2026-05-03",
        dataAbsentReason=coded(f"{HL7}/data-absent-reason", "not-performed"),
    ),
    result(
        "panel",
        "43409-2",
        "Αντιβιόγραμμα",
        None,
        "2026-05-03",
        hasMember=[{"reference": "Observation/amp"}, {"reference": "Observation/cip"}],
    ),
    result("amp", "18861-5", "Αμοξικιλλίνη", None, "2026-05-03", valueString="MIC 32", **judged("R")),
    result("cip", "18906-8", "Σιπροφλοξασίνη", None, "2026-05-03", valueString="MIC 0,25", **judged("S")),
    {"resourceType": "Specimen", "id": "s", "type": {"text": "ορός"}},
    {
        "resourceType": "DiagnosticReport",
        "id": "dr",
        "status": "final",
        "code": coded(LOINC, "11502-2", "Laboratory report"),
        "conclusion": "Υπερκαλιαιμία· επανάληψη άμεσα.",
        "result": [{"reference": "Observation/k"}],
    },
    status="preliminary",
)
IMAGING = document(
    "85430-7",
    "Αξονική θώρακος",
    [
        section("18726-0", "Εξετάσεις", "ImagingStudy/st"),
        {**section("55115-0", "Παραπομπή"), "entry": [{"identifier": {"value": "A-1234"}}]},
        section("11329-0", "Ιστορικό", text=text("<p>Βήχας 3 εβδομάδων</p>", "additional")),
        section("55111-9", "Εξέταση", text=text("<p>CT χωρίς σκιαγραφικό</p>", "additional")),
        section(
            "19005-8",
            "Συμπέρασμα",
            text=text("<ul><li>Όζος 8 mm</li><li>Επανέλεγχος σε 3 μήνες</li></ul>", "additional"),
        ),
    ],
    {
        "resourceType": "ImagingStudy",
        "id": "st",
        "status": "available",
        "started": "2026-05-02T09:00:00+03:00",
        "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}],
        "numberOfSeries": 1,
        "numberOfInstances": 312,
        "series": [
            {
                "uid": "1.2.3.1",
                "number": 1,
                "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"},
                "description": "Thorax 1 mm",
                "numberOfInstances": 312,
            }
        ],
        "identifier": [
            {"system": "urn:dicom:uid", "value": "urn:oid:1.2.840.113619.2.55.3.604688435.12.1599"}
        ],
    },
)
DISCHARGE = document(
    "34105-7",
    "Εξιτήριο",
    [
        section(
            "8648-8",
            "Πορεία νόσου",
            text=text(
                "<table><caption>Πυρετός</caption><tr><th>Ημέρα</th><th colspan='2'>°C</th></tr>"
                "<tr><td rowspan='2'>1</td><td>39,1</td><td>38,4</td></tr><tr><td>37,0</td></tr></table>"
                "<p>Καλή πορεία &amp; ύφεση.</p>",
                "additional",
                "el",
            ),
        ),
        section("11535-2", "Διαγνώσεις", "Condition/pneumonia"),
        section("75311-1", "Φάρμακα εξόδου", "MedicationRequest/out"),
    ],
    {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "class": {"system": f"{HL7}/v3-ActCode", "code": "IMP"},
        "period": {"start": "2026-04-28T22:10:00+03:00", "end": "2026-05-03T10:00:00+03:00"},
        "serviceProvider": {"reference": "Organization/o"},
        "hospitalization": {"dischargeDisposition": {"text": "οικία"}},
    },
    {
        "resourceType": "Condition",
        "id": "pneumonia",
        "code": {"text": "Πνευμονία"},
        "clinicalStatus": coded(f"{HL7}/condition-clinical", "active"),
    },
    {
        "resourceType": "MedicationRequest",
        "id": "out",
        "status": "active",
        "intent": "order",
        "authoredOn": "2026-05-03",
        "medicationCodeableConcept": {"text": "Αμοξικιλλίνη 1 g"},
        "dosageInstruction": [
            {
                "text": "1 κάθε 8 ώρες",
                "timing": {
                    "repeat": {
                        "frequency": 1,
                        "period": 8,
                        "periodUnit": "h",
                        "boundsDuration": quantity(7, "d"),
                    }
                },
            }
        ],
    },
    encounter={"reference": "Encounter/e"},
)
PRODUCT = {
    "resourceType": "Medication",
    "id": "clotrimazole",
    "code": {"text": "Canesten"},
    "form": {"text": "κρέμα"},
    "amount": {"numerator": quantity(20, "g"), "denominator": {"value": 1}},
    "ingredient": [
        {
            "itemCodeableConcept": {"text": "κλοτριμαζόλη"},
            "strength": {"numerator": quantity(10, "mg"), "denominator": quantity(1, "g")},
        }
    ],
}
PRESCRIPTION = {
    "resourceType": "Bundle",
    "type": "collection",
    "timestamp": "2026-05-03T10:00:00Z",
    "entry": [
        {"resource": each}
        for each in (
            {
                "resourceType": "MedicationRequest",
                "id": "rx",
                "identifier": [{"value": "300-1/1"}],
                "status": "active",
                "intent": "order",
                "authoredOn": "2026-05-03",
                "subject": {"reference": "Patient/p"},
                "requester": {"reference": "PractitionerRole/r"},
                "medicationReference": {"reference": "Medication/clotrimazole"},
                "dosageInstruction": [
                    {"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}}
                ],
                "dispenseRequest": {"numberOfRepeatsAllowed": 1, "quantity": quantity(20, "g")},
                "substitution": {
                    "allowedCodeableConcept": coded(f"{HL7}/v3-substanceAdminSubstitution", "G")
                },
            },
            PATIENT,
            PRACTITIONER,
            ORGANIZATION,
            ROLE,
            PRODUCT,
        )
    ],
}
DISPENSATION = {
    "resourceType": "MedicationDispense",
    "id": "md",
    "identifier": [{"value": "D-77"}],
    "status": "completed",
    "contained": [PRODUCT],
    "medicationReference": {"reference": "#clotrimazole"},
    "performer": [{"actor": {"display": "Φαρμακείο Κέντρου"}}],
    "quantity": quantity(20, "g"),
    "whenHandedOver": "2026-05-04T09:00:00+03:00",
    "dosageInstruction": [{"text": "2 φορές την ημέρα"}],
}
BY_CATEGORY = {
    "patient-summary": SUMMARY,
    "medical-test-results": LABORATORY,
    "medical-imaging": IMAGING,
    "discharge-report": DISCHARGE,
    "electronic-prescription": PRESCRIPTION,
    "electronic-dispensation": DISPENSATION,
}


KEPT = frozenset(
    {
        "resourceType",
        "type",
        "reference",
        "system",
        "code",
        "id",
        "fullUrl",
        "status",
        "url",
        "div",
        "periodUnit",
    }
    | {
        "gender",
        "birthDate",
        "date",
        "mode",
        "time",
        "timestamp",
        "intent",
        "criticality",
        "severity",
        "language",
    }
    | {"valueCode", "when", "start", "end", "use", "contentType"}
)
"""Members that are not free text."""


def changed_everywhere(value, told):
    """Return a copy in which every free text is `told`."""
    if isinstance(value, dict):
        return {
            key: each if key in KEPT and isinstance(each, str) else changed_everywhere(each, told)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [changed_everywhere(each, told) for each in value]
    is_free = isinstance(value, str) and not value[:4].isdigit()
    return told if is_free else value
