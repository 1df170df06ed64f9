"""Which categories the codes of a resource stand for: expected by the code systems' own texts."""

import pytest

from salus.standards.sensitivity.labelling import sensitivities_of
from salus.standards.sensitivity.table import known_systems, sensitivity_of, systems, version

ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD11 = "http://id.who.int/icd/release/11/mms"
ICPC = "http://hl7.org/fhir/sid/icpc-2"
ATC = "http://www.whocc.no/atc"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ACT_CODES = {
    "BH", "COGN", "DVD", "EMOTDIS", "ETH", "ETHUD", "GDIS", "HIV", "MH", "MST", "OPIOIDUD", "PREGNANT", "PSY",
    "PSYTHPN", "SCA", "SDV", "SEX", "SPI", "STD", "SUD", "TBOO", "VIO",
}  # fmt: skip
"""Of ActInformationSensitivityPolicy, terminology.hl7.org 7.0.1."""


@pytest.mark.parametrize(
    ("system", "code", "told"),
    [
        (ICD10, "B20", {"HIV"}),  # HIV disease resulting in infectious and parasitic diseases
        (ICD10, "B24", {"HIV"}),  # unspecified HIV disease
        (ICD10, "B25", set()),  # cytomegaloviral disease
        (ICD10, "B19.9", set()),  # unspecified viral hepatitis
        (ICD10CM, "Z21", {"HIV"}),  # asymptomatic HIV infection status
        (ICD10, "F32.1", {"PSY"}),  # moderate depressive episode
        (ICD10, "f32.1 ", {"PSY"}),
        (ICD10CM, "F3210", {"PSY"}),
        (ICD10, "F10.2", {"ETHUD"}),  # dependence on alcohol
        (ICD10, "F11.2", {"OPIOIDUD"}),  # dependence on opioids
        (ICD10, "F14.1", {"SUD"}),  # harmful use of cocaine
        (ICD10, "F17.2", set()),  # dependence on tobacco
        (ICD10, "F00.1", {"PSY", "COGN"}),  # dementia in Alzheimer's disease with late onset
        (ICD10, "F71", {"PSY", "DVD"}),  # moderate mental retardation
        (ICD10, "X70", {"PSY"}),  # intentional self-harm by hanging
        (ICD10, "X99", {"VIO"}),  # assault by sharp object
        (ICD10, "Y04", {"VIO"}),  # assault by bodily force
        (ICD10, "Y05", {"SDV"}),  # sexual assault by bodily force
        (ICD10, "Y10", set()),  # poisoning of undetermined intent
        (ICD10, "T74.2", {"SDV"}),  # sexual abuse
        (ICD10, "A54.9", {"STD"}),  # gonococcal infection
        (ICD10, "A65", set()),  # nonvenereal syphilis
        (ICD10, "O04.9", {"SEX", "PREGNANT"}),  # medical abortion, complete
        (ICD10, "Z30.4", {"SEX"}),  # surveillance of contraceptive drugs
        (ICD10, "D57.1", {"GDIS", "SCA"}),  # sickle-cell anaemia without crisis
        (ICD10, "Q90", {"GDIS"}),  # Down syndrome
        (ICD10, "J45.0", set()),  # asthma
        (ICD10, "E11.9", set()),  # type 2 diabetes mellitus
        (ICD11, "1C62.Z", {"HIV"}),  # HIV disease without tuberculosis or malaria, unspecified
        (ICD11, "6A70.0", {"PSY"}),  # single episode depressive disorder, mild
        (ICD11, "6C40.2", {"ETHUD"}),  # alcohol dependence
        (ICD11, "6C4A.2", set()),  # nicotine dependence
        (ICD11, "CA23", set()),  # asthma
        (ICPC, "B90", {"HIV"}),
        (ICPC, "P76", {"PSY"}),  # depressive disorder
        (ICPC, "P15", {"ETHUD"}),
        (ICPC, "P17", set()),  # tobacco abuse
        (ICPC, "W11", {"SEX"}),  # contraception oral
        (ICPC, "W78", {"PREGNANT"}),  # pregnancy
        (ICPC, "R96", set()),  # asthma
        (ATC, "J05AR03", {"HIV"}),  # tenofovir disoproxil and emtricitabine
        (ATC, "J05AF10", set()),  # entecavir, against hepatitis B
        (ATC, "J05AP51", set()),  # sofosbuvir and ledipasvir, against hepatitis C
        (ATC, "N06AB06", {"PSY"}),  # sertraline
        (ATC, "N07BB01", {"ETHUD"}),  # disulfiram
        (ATC, "N07BC02", {"OPIOIDUD"}),  # methadone
        (ATC, "N02AA01", set()),  # morphine, against pain
        (ATC, "G03AA07", {"SEX"}),  # levonorgestrel and ethinylestradiol
        (ATC, "C09AA05", set()),  # ramipril
        (LOINC, "75622-1", {"HIV"}),  # HIV 1 and 2 tests
        (LOINC, "44261-6", {"PSY"}),  # PHQ-9 total score
        (LOINC, "74013-4", {"ETHUD"}),  # alcoholic drinks per day
        (LOINC, "8480-6", set()),  # systolic blood pressure
        (LOINC, "81247-9", {"GDIS"}),  # genetic variant reporting panel
        (SNOMED, "86406008", {"HIV"}),
        (SNOMED, "86406008|Human immunodeficiency virus infection|", {"HIV"}),
        (SNOMED, "243796009:246090004=86406008", {"HIV"}),  # a situation with that finding
        (SNOMED, "195967001", set()),  # asthma
        (SNOMED, "1864060081", set()),
        ("http://varnomen.hgvs.org", "NM_000059.3:c.5946del", {"GDIS"}),
        ("urn:of-the-hospital", "B20", set()),
        (SNOMED, "86406008" + " " * 300, set()),
    ],
)  # fmt: skip
def test_a_code_stands_for_its_categories(system, code, told):
    assert sensitivity_of(system, code) == told


def coded(system, code):
    return {"coding": [{"system": system, "code": code}]}


HIV = coded(ICD10, "B24")


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Condition", "code": HIV},
        {"resourceType": "Condition", "code": {"coding": [{"code": "local"}, *HIV["coding"]]}},
        {"resourceType": "Condition", "verificationStatus": {"coding": [{"code": "refuted"}]}, "code": HIV},
        {"resourceType": "MedicationRequest", "reasonCode": [HIV]},
        {"resourceType": "MedicationRequest", "contained": [{"resourceType": "Medication", "code": HIV}]},
        {"resourceType": "Observation", "component": [{"valueCodeableConcept": HIV}]},
        {"resourceType": "DiagnosticReport", "conclusionCode": [HIV]},
        {"resourceType": "FamilyMemberHistory", "condition": [{"code": HIV}]},
        {"resourceType": "Claim", "diagnosis": [{"diagnosisCodeableConcept": HIV}]},
        {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Condition", "code": HIV}}]},
        {"resourceType": "Basic", "extension": [{"url": "u", "valueCoding": HIV["coding"][0]}]},
    ],
)
def test_a_code_counts_wherever_it_stands(resource):
    assert sensitivities_of(resource) == {"HIV"}


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Observation"},
        {"resourceType": "Observation", "meta": {"tag": HIV["coding"]}},
        {"resourceType": "Observation", "code": {"coding": [{"system": ICD10}], "text": "HIV"}},
        {"resourceType": "Observation", "code": {"coding": [{"system": 3, "code": "B20"}]}},
        {"resourceType": "Observation", "code": {"coding": [{"system": ICD10, "code": 20}]}},
        {
            "resourceType": "Observation",
            "valueQuantity": {"system": "http://unitsofmeasure.org", "code": "g"},
        },
    ],
)
def test_what_no_code_of_the_table_tells_has_no_label(resource):
    assert sensitivities_of(resource) == set()


def test_every_row_says_where_it_is_from_and_names_categories_of_v3_act_code():
    for name, system in systems().items():
        assert system.systems, name
        for row in system.row:
            assert row.source.strip(), name
            assert row.sensitivity <= ACT_CODES, name
            assert row.codes or system.match == "all", name
    listed = [uri for system in systems().values() for uri in system.systems]
    assert len(listed) == len(set(listed)) == len(known_systems())
    assert len(version()) == 16


SHUFFLE = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def turned(one, other):
    """Return the product of two elements of the group of a pentagon's symmetries; from 5 on mirrored."""
    if one < 5:
        return (one + other) % 5 if other < 5 else 5 + (one + other) % 5
    return 5 + (one - other) % 5 if other < 5 else (one - other) % 5


def is_verhoeff(digits):
    """Say whether the last digit checks the others (J. Verhoeff, 1969), as in SNOMED CT's identifiers."""
    check = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        for _ in range(place % 8):
            digit = SHUFFLE[digit]
        check = turned(check, digit)
    return check == 0


def is_mod_10(code):
    """Say whether a LOINC code ends with its check digit (Luhn)."""
    number, _, check = code.partition("-")
    doubled = [int(digit) * (1 + (place % 2 == 0)) for place, digit in enumerate(reversed(number))]
    return (sum(digit // 10 + digit % 10 for digit in doubled) + int(check)) % 10 == 0


def test_no_identifier_of_the_table_is_mistyped():
    assert is_verhoeff("86406008")
    assert not is_verhoeff("86406009")
    wrong = [code for row in systems()["snomed-ct"].row for code in row.codes if not is_verhoeff(code)]
    wrong += [code for row in systems()["loinc"].row for code in row.codes if not is_mod_10(code)]
    assert wrong == []
