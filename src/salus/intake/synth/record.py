"""The health record of one synthetic citizen: enough for an International Patient Summary (HL7 IPS 2.0).

Sections covered: problems, allergies (also "none known", stated), medication statements and active
prescriptions, immunizations, results with reference ranges, vital signs, procedures, social history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

import msgspec

from salus.intake.synth.coding import (
    ATC,
    ICD10,
    LOINC,
    SNOMED,
    Resource,
    coded,
    day,
    quantity,
    reference,
    rounded,
    term,
)
from salus.intake.synth.person import Person
from salus.intake.synth.tables import Clinical, Condition, Country, Medicine, Test, Vaccine

_SMOKING = (
    ("Never smoked tobacco", "266919005", 55),
    ("Ex-smoker", "8517006", 25),
    ("Smoker", "77176002", 20),
)


class Scene(msgspec.Struct, frozen=True):
    """What every part of the record needs."""

    person: Person
    patient: Resource
    doctor: Resource
    organization: Resource
    today: date
    random: Random
    make_id: Callable[[str], str]

    def resource(self, kind: str, name: str, subject: str = "subject") -> Resource:
        """Return the beginning of a resource about the patient."""
        own_id = self.make_id(f"{self.patient['id']}/{kind}/{name}")
        return {"resourceType": kind, "id": own_id, subject: reference(self.patient)}

    def within(self, years: float) -> date:
        """Return a day of the last `years`, not before birth."""
        days = min(int(years * 365), (self.today - self.person.born).days)
        return self.today - timedelta(days=self.random.randint(0, max(days, 0)))

    def happens(self, percent: float) -> bool:
        """Return whether an event of this percentage happens."""
        return self.random.random() * 100 < percent


def make_patient(
    code: str, country: Country, person: Person, own_id: str, doctor: Resource, organization: Resource
) -> Resource:
    """Return the Patient resource."""
    address: dict[str, Any] = {  # Any: FHIR JSON
        "use": "home",
        "line": [person.street],
        "city": person.city,
        "postalCode": person.postal_code,
        "country": code,
    }
    if person.region:
        address["district"] = person.region
    return {
        "resourceType": "Patient",
        "id": own_id,
        "meta": {
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]
        },
        "identifier": [
            {"use": "official", "type": term("v2-0203", "NI"), "system": system, "value": value}
            for system, value, _ in person.identifiers
        ]
        + [{"type": term("v2-0203", "MR"), "system": "urn:salus:synthetic-record", "value": own_id}],
        "active": True,
        "name": [{"use": "official", "family": person.family, "given": list(person.given)}],
        "telecom": [{"system": "phone", "value": person.phone, "use": "mobile"}],
        "gender": person.sex,
        "birthDate": day(person.born),
        "address": [address],
        "communication": [
            {
                "language": {
                    "coding": [
                        {
                            "system": "urn:ietf:bcp:47",
                            "code": country.language,
                            "display": country.language_name,
                        }
                    ]
                },
                "preferred": True,
            }
        ],
        "generalPractitioner": [reference(doctor)],
        "managingOrganization": reference(organization),
    }


def make_record(scene: Scene, tables: Clinical) -> Iterator[Resource]:
    """Yield the patient's resources, referenced before referring."""
    visit = _encounter(scene)
    yield visit
    had = [row for row in tables.condition if scene.happens(_share(row, scene.person))]
    conditions = {row.key: _condition(scene, row, visit) for row in had}
    yield from conditions.values()
    if not conditions:
        yield _no_problems(scene)
    yield from _allergies(scene, tables)
    medicines = [row for row in tables.medicine if row.treats in conditions and scene.happens(78)]
    for medicine in medicines:
        statement = _statement(scene, medicine, conditions[medicine.treats])
        if scene.happens(85):
            prescription = _prescription(scene, medicine, conditions[medicine.treats])
            yield prescription
            # The same medicine twice: a summary that follows the reference shows it once.
            statement["basedOn"] = [reference(prescription)]
        yield statement
    if not medicines:
        yield _no_medicines(scene)
    for vaccine in tables.vaccine:
        yield from _immunizations(scene, vaccine)
    yield from _laboratory(scene, tables, conditions.keys())
    yield from _vital_signs(scene, "hypertension" in conditions)
    for procedure in tables.procedure:
        share = _linear(scene.person.age_years, procedure.age_min, procedure.age_max, procedure.percent)
        if procedure.sex in ("", scene.person.sex) and scene.happens(share):
            years = scene.random.uniform(0, scene.person.age_years - procedure.age_min)
            years = max(years, scene.person.age_years - procedure.age_done_max)
            done = scene.today - timedelta(days=int(years * 365))
            yield {
                **scene.resource("Procedure", procedure.name),
                "status": "completed",
                "code": coded(procedure.name, (SNOMED, procedure.snomed)),
                "performedDateTime": day(done),
                "performer": [{"actor": reference(scene.doctor)}],
            }


def _linear(age: int, age_min: int, age_max: int, percent: float) -> float:
    if age < age_min:
        return 0.0
    return percent * min(1.0, (age - age_min + 1) / max(1, age_max - age_min))


def _share(row: Condition, person: Person) -> float:
    if row.sex not in ("", person.sex):
        return 0.0
    return _linear(person.age_years, row.age_min, row.age_max, row.percent)


def _encounter(scene: Scene) -> Resource:
    seen = scene.within(1.5)
    return {
        **scene.resource("Encounter", "visit"),
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "participant": [{"individual": reference(scene.doctor)}],
        "period": {"start": f"{day(seen)}T09:00:00Z", "end": f"{day(seen)}T09:20:00Z"},
        "serviceProvider": reference(scene.organization),
    }


def _condition(scene: Scene, row: Condition, visit: Resource) -> Resource:
    acute = row.lasts_days > 0
    onset = scene.within(2 if acute else max(1, scene.person.age_years - row.age_min))
    over = acute and onset + timedelta(days=row.lasts_days) < scene.today
    resource = {
        **scene.resource("Condition", row.key),
        "clinicalStatus": term("condition-clinical", "resolved" if over else "active"),
        "verificationStatus": term("condition-ver-status", "confirmed"),
        "category": [term("condition-category", "problem-list-item")],
        "code": coded(row.name, (ICD10, row.icd10), (SNOMED, row.snomed)),
        "encounter": reference(visit),
        "onsetDateTime": day(onset),
        "recordedDate": day(onset),
        "recorder": reference(scene.doctor),
    }
    if over:
        resource["abatementDateTime"] = day(onset + timedelta(days=row.lasts_days))
    return resource


def _no_problems(scene: Scene) -> Resource:
    return {
        **scene.resource("Condition", "none"),
        "clinicalStatus": term("condition-clinical", "active"),
        "verificationStatus": term("condition-ver-status", "confirmed"),
        "category": [term("condition-category", "problem-list-item")],
        "code": coded("No current problems or disability", (SNOMED, "160245001")),
    }


def _allergies(scene: Scene, tables: Clinical) -> Iterator[Resource]:
    had = [row for row in tables.allergy if scene.happens(row.percent)]
    for row in had:
        yield {
            **scene.resource("AllergyIntolerance", row.name, "patient"),
            "clinicalStatus": term("allergyintolerance-clinical", "active"),
            "verificationStatus": term("allergyintolerance-verification", "confirmed"),
            "type": "allergy",
            "category": [row.category],
            "criticality": row.criticality,
            "code": coded(row.name, (SNOMED, row.snomed)),
            "recordedDate": day(scene.within(20)),
            "reaction": [{"manifestation": [coded(row.reaction, (SNOMED, row.reaction_snomed))]}],
        }
    if not had:
        yield {
            **scene.resource("AllergyIntolerance", "none", "patient"),
            "clinicalStatus": term("allergyintolerance-clinical", "active"),
            "verificationStatus": term("allergyintolerance-verification", "confirmed"),
            "code": coded("No known allergy", (SNOMED, "716186003")),
            "recordedDate": day(scene.within(2)),
        }


def _dosage(medicine: Medicine) -> Resource:
    repeat = {"frequency": medicine.daily, "period": 1, "periodUnit": "d"}
    return {
        "text": f"1 {medicine.unit}, {medicine.daily} x daily" + (" as needed" if medicine.as_needed else ""),
        "timing": {"repeat": repeat},
        "asNeededBoolean": medicine.as_needed,
        "route": coded("Inhalation" if medicine.unit == "inhalation" else "Oral"),
        "doseAndRate": [{"doseQuantity": quantity(1, medicine.unit, "{" + medicine.unit + "}")}],
    }


def _statement(scene: Scene, medicine: Medicine, condition: Resource) -> Resource:
    return {
        **scene.resource("MedicationStatement", medicine.atc),
        "status": "active",
        "medicationCodeableConcept": coded(medicine.name, (ATC, medicine.atc, medicine.display)),
        "effectivePeriod": {"start": condition["onsetDateTime"]},
        "reasonReference": [reference(condition)],
        "dosage": [_dosage(medicine)],
    }


def _no_medicines(scene: Scene) -> Resource:
    return {
        **scene.resource("MedicationStatement", "none"),
        "status": "unknown",
        "medicationCodeableConcept": coded("No known medications", (SNOMED, "787481004")),
        "effectiveDateTime": day(scene.today),
    }


def _prescription(scene: Scene, medicine: Medicine, condition: Resource) -> Resource:
    written = scene.within(60 / 365)
    packs = 1 if medicine.pack >= 60 else 2
    resource = scene.resource("MedicationRequest", medicine.atc)
    number = {"system": "urn:salus:synthetic-prescription", "value": resource["id"][:16].upper()}
    return {
        **resource,
        "identifier": [number],
        "status": "active",
        "intent": "order",
        "category": [term("medicationrequest-category", "community")],
        "medicationCodeableConcept": coded(medicine.name, (ATC, medicine.atc, medicine.display)),
        "authoredOn": day(written),
        "requester": reference(scene.doctor),
        "reasonReference": [reference(condition)],
        "groupIdentifier": number,
        "dosageInstruction": [_dosage(medicine)],
        "dispenseRequest": {
            "validityPeriod": {"start": day(written), "end": day(written + timedelta(days=180))},
            "numberOfRepeatsAllowed": scene.random.choice((0, 1, 2)),
            "quantity": quantity(packs * medicine.pack, medicine.unit, "{" + medicine.unit + "}"),
        },
        "substitution": {"allowedBoolean": True},
    }


def _immunizations(scene: Scene, vaccine: Vaccine) -> Iterator[Resource]:
    person = scene.person
    if person.born.year < vaccine.born_from or not scene.happens(vaccine.percent):
        return
    days = [person.born + timedelta(days=int(months * 30.44) + 3) for months in vaccine.ages_months]
    days += [
        moment
        for moment in map(date.fromisoformat, vaccine.dates)
        if (moment - person.born).days / 365.25 >= vaccine.age_min_then
    ]
    if vaccine.yearly_from_age and person.age_years >= vaccine.yearly_from_age:
        days.append(date(scene.today.year - 1, 10, 1) + timedelta(days=scene.random.randint(0, 45)))
    first_recorded = scene.today.year - 40
    for dose, given in enumerate(sorted(days), start=1):
        if given > scene.today or given.year < first_recorded:
            continue
        yield {
            **scene.resource("Immunization", f"{vaccine.atc}/{dose}", "patient"),
            "status": "completed",
            "vaccineCode": coded(vaccine.name, (ATC, vaccine.atc, vaccine.display)),
            "occurrenceDateTime": day(given),
            "primarySource": True,
            "lotNumber": f"L{scene.random.randint(10_000, 99_999)}",
            "protocolApplied": [
                {
                    "targetDisease": [coded(vaccine.disease, (SNOMED, vaccine.disease_snomed))],
                    "doseNumberPositiveInt": dose,
                }
            ],
        }


def _laboratory(scene: Scene, tables: Clinical, conditions: Any) -> Iterator[Resource]:  # Any: keys of a dict
    if scene.person.age_years < 16 and not scene.happens(30):
        return
    for visit in range(scene.random.choice((1, 2, 3))):
        taken = scene.within(1 + visit * 1.5)
        results = [
            _result(scene, row, conditions, taken, visit)
            for row in tables.test
            if not row.only_with or row.only_with in conditions
        ]
        yield from results
        yield {
            **scene.resource("DiagnosticReport", str(visit)),
            "status": "final",
            "category": [term("v2-0074", "LAB")],
            "code": coded("Laboratory report", (LOINC, "11502-2")),
            "effectiveDateTime": f"{day(taken)}T08:15:00Z",
            "issued": f"{day(taken)}T15:00:00Z",
            "performer": [reference(scene.organization)],
            "result": [reference(result) for result in results],
        }


def _result(scene: Scene, row: Test, conditions: Any, taken: date, visit: int) -> Resource:  # Any: keys
    low, high = row.female if scene.person.sex == "female" else row.male
    middle, spread = (low + high) / 2, (high - low) / 5
    shift = sum(amount for key, amount in row.shift_by.items() if key in conditions)
    amount = max(low / 4, scene.random.gauss(middle + shift, spread))
    measured = rounded(amount, row.decimals)
    interpretation = (
        "L"
        if measured < rounded(low, row.decimals)
        else "H"
        if measured > rounded(high, row.decimals)
        else "N"
    )
    return {
        **scene.resource("Observation", f"{row.loinc}/{visit}"),
        "status": "final",
        "category": [term("observation-category", "laboratory")],
        "code": coded(row.name, (LOINC, row.loinc)),
        "effectiveDateTime": f"{day(taken)}T08:15:00Z",
        "performer": [reference(scene.organization)],
        "valueQuantity": quantity(measured, row.unit, row.ucum),
        "interpretation": [term("v3-ObservationInterpretation", interpretation)],
        "referenceRange": [
            {
                "low": quantity(rounded(low, row.decimals), row.unit, row.ucum),
                "high": quantity(rounded(high, row.decimals), row.unit, row.ucum),
            }
        ],
    }


def _vital_signs(scene: Scene, hypertensive: bool) -> Iterator[Resource]:
    if scene.person.age_years < 18:
        return
    taken = f"{day(scene.within(1))}T09:10:00Z"
    female = scene.person.sex == "female"
    height = scene.random.gauss(163 if female else 176, 6)
    weight = scene.random.gauss(25.5, 3.6) * (height / 100) ** 2
    vital = {
        "status": "final",
        "category": [term("observation-category", "vital-signs")],
        "effectiveDateTime": taken,
    }
    for name, loinc, amount, unit in (
        ("Body height", "8302-2", height, "cm"),
        ("Body weight", "29463-7", weight, "kg"),
        ("Body mass index (BMI) [Ratio]", "39156-5", weight / (height / 100) ** 2, "kg/m2"),
    ):
        yield {
            **scene.resource("Observation", loinc),
            **vital,
            "code": coded(name, (LOINC, loinc)),
            "valueQuantity": quantity(rounded(amount, 1), unit, unit),
        }
    systolic = scene.random.gauss(146 if hypertensive else 122, 9)
    pressures = (
        ("Systolic blood pressure", "8480-6", systolic),
        ("Diastolic blood pressure", "8462-4", systolic * 0.62),
    )
    yield {
        **scene.resource("Observation", "85354-9"),
        **vital,
        "code": coded("Blood pressure panel with all children optional", (LOINC, "85354-9")),
        "component": [
            {
                "code": coded(name, (LOINC, loinc)),
                "valueQuantity": quantity(rounded(amount, 0), "mmHg", "mm[Hg]"),
            }
            for name, loinc, amount in pressures
        ],
    }
    name, snomed, _ = scene.random.choices(_SMOKING, weights=[share for *_, share in _SMOKING])[0]
    yield {
        **scene.resource("Observation", "72166-2"),
        "status": "final",
        "category": [term("observation-category", "social-history")],
        "code": coded("Tobacco smoking status", (LOINC, "72166-2")),
        "effectiveDateTime": taken,
        "valueCodeableConcept": coded(name, (SNOMED, snomed)),
    }
