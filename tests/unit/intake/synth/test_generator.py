from __future__ import annotations

from datetime import date

import msgspec
import pytest

from salus.core.errors import NotSupported
from salus.intake.synth.generator import EUROPE, synthesize
from salus.intake.synth.person import age_on
from salus.standards.nationalid.identifiers import holds, national_identifiers

TODAY = date(2026, 3, 1)


def records(persons=40, country="PT", seed=1):
    return list(synthesize(persons, country, seed, TODAY))


def of_type(resources, name):
    return [resource for resource in resources if resource["resourceType"] == name]


def test_the_same_seed_and_day_give_the_same_bytes_and_another_seed_other_citizens():
    encode = msgspec.json.Encoder(decimal_format="number").encode
    assert encode(records()) == encode(records())
    assert encode(of_type(records(), "Patient")) != encode(of_type(records(seed=2), "Patient"))


def test_a_person_is_the_same_whatever_the_number_asked_for():
    assert of_type(records(3), "Patient") == of_type(records(9), "Patient")[:3]


@pytest.mark.parametrize("country", sorted(EUROPE))
def test_every_country_has_citizens_whose_national_number_keeps_the_rule(country):
    patients = of_type(records(10, country), "Patient")
    assert len(patients) == 10
    rows = [row for row in national_identifiers() if row.country == country]
    for patient in patients:
        assert patient["address"][0]["country"] == country
        values = {identifier["system"]: identifier["value"] for identifier in patient["identifier"]}
        for row in rows:
            assert holds(row.system, values[row.system]) is True


def test_the_estonian_number_carries_the_birth_date_and_sex():
    for patient in of_type(records(50, "EE"), "Patient"):
        number = patient["identifier"][0]["value"]
        assert number[1:7] == patient["birthDate"].replace("-", "")[2:]
        assert (int(number[0]) % 2 == 0) == (patient["gender"] == "female")


def test_conditions_fit_age_and_sex():
    resources = records(300)
    patients = {f"Patient/{patient['id']}": patient for patient in of_type(resources, "Patient")}
    codes = [
        (patients[condition["subject"]["reference"]], condition["code"]["text"])
        for condition in of_type(resources, "Condition")
    ]
    assert not [name for patient, name in codes if "prostate" in name and patient["gender"] == "female"]
    adults = [patient for patient, name in codes if "diabetes" in name]
    assert adults
    assert all(age_on(date.fromisoformat(patient["birthDate"]), TODAY) >= 35 for patient in adults)


def test_every_citizen_states_allergies_problems_and_medicines_or_that_none_are_known():
    resources = records(60)
    for patient in of_type(resources, "Patient"):
        own = f"Patient/{patient['id']}"
        for kind, subject in (
            ("AllergyIntolerance", "patient"),
            ("Condition", "subject"),
            ("MedicationStatement", "subject"),
        ):
            assert [one for one in of_type(resources, kind) if one[subject]["reference"] == own]


def test_references_point_at_resources_of_the_same_file_that_came_before():
    seen = set()
    for resource in records(20):
        for target in references(resource):
            assert target in seen
        seen.add(f"{resource['resourceType']}/{resource['id']}")


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "reference":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def test_prescriptions_are_active_and_valid_on_the_day():
    requests = of_type(records(200), "MedicationRequest")
    assert requests
    for request in requests:
        period = request["dispenseRequest"]["validityPeriod"]
        assert request["status"] == "active"
        assert period["start"] <= TODAY.isoformat() <= period["end"]


def test_a_country_outside_the_union_is_refused():
    with pytest.raises(NotSupported, match="XX"):
        list(synthesize(1, "XX", 1, TODAY))


@pytest.mark.parametrize(
    ("country", "prefix", "digits"),
    # National numbering plans: digits of a mobile number after the country's code (ITU-T E.164 listings).
    [("PT", "+351 9", 9), ("EE", "+372 5", 8), ("FR", "+33 6", 9), ("ES", "+34 6", 9), ("IT", "+39 3", 10)],
)
def test_phone_numbers_have_their_countrys_length(country, prefix, digits):
    for patient in of_type(records(5, country), "Patient"):
        number = patient["telecom"][0]["value"]
        assert number.startswith(prefix)
        assert len(number.partition(" ")[2]) == digits


def test_the_atc_code_is_displayed_as_the_atc_names_it_and_the_product_as_text():
    concepts = [one["medicationCodeableConcept"] for one in of_type(records(200), "MedicationRequest")]
    found = {one["coding"][0]["code"]: (one["coding"][0]["display"], one["text"]) for one in concepts}
    assert found["C10AA05"] == ("atorvastatin", "Atorvastatin 20 mg tablet")


def test_a_statement_refers_to_the_prescription_of_the_same_medicine():
    resources = records(200)
    requests = {
        (one["subject"]["reference"], one["medicationCodeableConcept"]["text"]): one["id"]
        for one in of_type(resources, "MedicationRequest")
    }
    for statement in of_type(resources, "MedicationStatement"):
        own = (statement["subject"]["reference"], statement["medicationCodeableConcept"]["text"])
        based_on = [target["reference"] for target in statement.get("basedOn", ())]
        assert based_on == [f"MedicationRequest/{requests[own]}" for _ in range(own in requests)]


def test_nobody_has_a_caesarean_at_44_or_later():
    resources = records(1_000)
    born = {f"Patient/{one['id']}": one["birthDate"] for one in of_type(resources, "Patient")}
    ages = [
        age_on(
            date.fromisoformat(born[one["subject"]["reference"]]),
            date.fromisoformat(one["performedDateTime"]),
        )
        for one in of_type(resources, "Procedure")
        if one["code"]["text"] == "Cesarean section"
    ]
    assert len(ages) > 20
    assert max(ages) < 44
