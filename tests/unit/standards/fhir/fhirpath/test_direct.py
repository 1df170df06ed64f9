"""The fast road answers as the general way does, or not at all."""

import msgspec
import pytest

from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import compile_expression

PATIENTS = [
    {"resourceType": "Patient"},
    {
        "resourceType": "Patient",
        "active": True,
        "gender": "male",
        "name": [{"family": "A", "given": ["B", "C"]}],
    },
    {
        "resourceType": "Patient",
        "_gender": {"extension": [{"url": "urn:x"}]},
        "name": [{"_family": {"id": "1"}}],
    },
    {"resourceType": "Patient", "name": [{"given": [None, "C"], "_given": [{"id": "1"}, None]}]},
    {"resourceType": "Patient", "deceasedDateTime": "2020", "multipleBirthInteger": 2},
    {"resourceType": "Patient", "_deceasedBoolean": {"id": "1"}, "active": False},
    {"resourceType": "Patient", "name": {"family": "no array"}, "gender": ["no", "single"]},
    {
        "resourceType": "Patient",
        "name": ["no object"],
        "contact": [{"name": {"family": "X"}}, {"gender": "other"}],
    },
    {
        "resourceType": "Patient",
        "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "2"}],
        "generalPractitioner": [
            {"reference": "Practitioner/1"},
            {"reference": "urn:uuid:1"},
            {"display": "x"},
        ],
        "contained": [{"resourceType": "Organization", "id": "o", "meta": {"versionId": "1"}}],
    },
]
EXPRESSIONS = [
    "gender",
    "gender.exists()",
    "gender.hasValue()",
    "gender = 'male'",
    "gender != 'male' or active",
    "gender in ('male' | 'female')",
    "gender.startsWith('m')",
    "gender.matches('^(male|female)$')",
    "active",
    "active.not()",
    "active implies name.exists()",
    "active and gender.exists()",
    "active xor gender.exists()",
    "name.given",
    "name.family | name.given",
    "name.given.where(hasValue())",
    "name.given.where($this.startsWith('B'))",
    "name.given.count() + name.family.count() > 1",
    "name.given.isDistinct()",
    "name.first().family",
    "name[0].given[1]",
    "name.where(family = 'A').given",
    "name.where(given.exists()).exists()",
    "name.all(family.exists())",
    "name.select(family)",
    "name.exists(family = 'A')",
    "deceased",
    "deceased.exists()",
    "(deceased as boolean)",
    "deceased.ofType(dateTime)",
    "deceased.empty() or multipleBirth.empty()",
    "contact.name.family",
    "contact.all(name.exists() or gender.exists())",
    "telecom.where(system = 'phone').value",
    "Patient.telecom.value | Encounter.id",
    "generalPractitioner.where(resolve() is Practitioner)",
    "contained.meta.versionId.empty()",
    "contained.contained.empty()",
    "contained.trace('x', id).empty()",
    "extension('urn:x').value",
    "hasValue() or (children().count() > id.count())",
    "%resource.gender = 'male'",
    "multipleBirth.ofType(integer) >= 2",
    "1 + (2 | 3)",
    "Encounter.status",
    "birthDate > '2020'",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_both_roads_lead_to_one_answer(text):
    expression = compile_expression(text, "Patient", filtering_as=True)
    general = msgspec.structs.replace(expression, direct=None)
    for patient in PATIENTS:
        for environment in (Environment(), Environment(resource=patient, reference_stubs=True)):
            fast, slow = [], []
            for found, one in ((fast, expression), (slow, general)):
                for evaluate in (one, one.typed, one.test):
                    try:
                        found.append(evaluate(patient, environment))
                    except Exception as error:  # noqa: BLE001 - both must fail alike, whatever it is
                        found.append((type(error), str(error)))
            assert fast == slow, patient


@pytest.mark.parametrize(
    "text",
    [
        "name.exists() or telecom.exists()",
        "(deceased as boolean)",
        "generalPractitioner.where(resolve() is Practitioner)",
        "telecom.where(system = 'phone').value",
        "Patient.address | Person.address",
    ],
)
def test_rules_and_search_parameters_take_the_fast_road(text):
    assert compile_expression(text, "Patient", filtering_as=True).direct is not None


def test_a_name_is_looked_up_without_a_type_the_general_way():
    assert compile_expression("name.exists()").direct is None


BUNDLES = [
    {"resourceType": "Bundle"},
    {"resourceType": "Bundle", "entry": []},
    {"resourceType": "Bundle", "entry": [{"fullUrl": "urn:x"}, {"resource": {"resourceType": "Patient"}}]},
    {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}},
            {"resource": {"resourceType": "Observation", "subject": {"display": "x"}}},
            {"resource": {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/1"}}},
        ],
    },
    {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Condition", "subject": {}}}]},
    {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Nothing"}}, {"resource": 7}]},
    {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": 7}}, 7]},
]


@pytest.mark.parametrize(
    "text",
    [
        "entry.where(resource.is(Condition) or resource.is(Observation)).all(resource.subject.exists())",
        "entry.where(resource.is(Condition)).all(resource.subject.reference.exists())",
        "entry.where(resource is Condition and resource is Patient).empty()",
        "entry.where(resource.is(DomainResource)).exists()",
        "entry.all(resource.id.exists())",
        "entry.where(resource.subject.exists()).count()",
        "entry.tail().where(resource is Composition).empty()",
    ],
)
def test_entries_are_judged_by_the_type_of_their_resource(text):
    expression = compile_expression(text, "Bundle", filtering_as=True)
    general = msgspec.structs.replace(expression, direct=None)
    for bundle in BUNDLES:
        found = []
        for one in (expression, general):
            try:
                found.append(one(bundle, Environment(resource=bundle)))
            except Exception as error:  # noqa: BLE001 - both must fail alike, whatever it is
                found.append((type(error), str(error)))
        assert found[0] == found[1], bundle
