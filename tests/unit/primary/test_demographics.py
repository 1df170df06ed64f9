"""A look-up points at one person: one value each, whole names, a full birth date."""

import pytest

from salus.core.errors import InvalidSearch
from salus.primary.demographics import BIRTH_PLACE_URL, check_lookup, fits
from salus.trust.jurisdictions.law import jurisdiction_of

NAMED = (("family", "Silva"), ("given", "Ana"), ("birthdate", "1980-05-06"))
WAYS = jurisdiction_of("EU").lookup_parameters.value
IDENTIFIED = (("identifier", "urn:x|1"),)
TRAITS = (*NAMED, ("gender", "female"), ("birth-place", "Saint-Étienne"))
PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:x", "value": "12-3"}],
    "name": [{"family": "da Silva Santos", "given": ["Ana", "Maria"]}, {"family": "Costa", "given": ["Ana"]}],
    "birthDate": "1980-05-06",
}
REFUSED = [
    (*NAMED[:2], ("birthdate", "1980-05")),
    (*NAMED[:2], ("birthdate", "ge1980-05-06")),
    (*NAMED[:2], ("birthdate", "ge1900-01-01"), ("birthdate", "lt2027-01-01")),
    (("family", "a,b,c"), *NAMED[1:]),
    (("family", "Silva"), ("given", "a,b"), NAMED[2]),
    (("family", "Silva"), ("family", "Costa"), *NAMED[1:]),
    (*NAMED, ("gender", "male,female")),
    (("family", " "), *NAMED[1:]),
    (("family:contains", "i"), *NAMED[1:]),
    (("identifier", "urn:x|1"), ("identifier", "urn:x|2")),
]


@pytest.mark.parametrize("pairs", REFUSED)
def test_a_question_that_could_list_people_is_refused(pairs):
    with pytest.raises(InvalidSearch):
        check_lookup(pairs, WAYS)


@pytest.mark.parametrize("pairs", [NAMED, (("identifier", "urn:x|1"),), (*NAMED, ("gender", "female"))])
def test_a_question_that_points_at_one_person_is_taken(pairs):
    check_lookup(pairs, WAYS)


@pytest.mark.parametrize(
    ("country", "pairs", "taken"),
    [
        ("PT", NAMED, True),
        ("EE", NAMED, False),
        ("FR", NAMED, False),
        ("FR", TRAITS[:-1], False),
        ("FR", TRAITS, True),
        ("EE", TRAITS, False),
        *((country, IDENTIFIED, True) for country in ("PT", "EE", "FR")),
        ("EE", (*IDENTIFIED, *NAMED), True),
    ],
)
def test_what_is_enough_is_the_law_of_the_country(country, pairs, taken):
    ways = jurisdiction_of(country).lookup_parameters.value
    if taken:
        check_lookup(pairs, ways)
        return
    with pytest.raises(InvalidSearch, match="The law of the patient's country asks for an identifier"):
        check_lookup(pairs, ways)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("saint-etienne", True), ("42218", True), ("Saint", False), ("Lyon", False)],
)
def test_the_place_of_birth_is_compared_whole_by_name_or_code(asked, expected):
    place = {"city": "Saint-Étienne", "extension": [{"url": "urn:insee", "valueCoding": {"code": "42218"}}]}
    born = PATIENT | {"extension": [{"url": BIRTH_PLACE_URL, "valueAddress": place}]}
    assert fits(born, (("birth-place", asked),)) is expected
    assert not fits(PATIENT, (("birth-place", asked),))


@pytest.mark.parametrize(
    ("family", "given", "expected"),
    [
        ("Silva", "Ana", True),
        ("SILVA SANTOS", "ana maria", True),
        ("da Silva", "Maria", True),
        ("Costa", "Aná", True),
        ("Costa", "Maria", True),  # each in another of the person's names, as FHIR search has it
        ("S", "Ana", False),
        ("Silva", "A", False),
        ("Santos Silva", "Ana", False),
    ],
)
def test_names_are_whole(family, given, expected):
    assert fits(PATIENT, (("family", family), ("given", given), NAMED[2])) is expected


def test_an_identifier_is_compared_without_its_marks():
    assert fits(PATIENT, (("identifier", "urn:x|12-3"),))
    assert not fits(PATIENT, (("identifier", "urn:x|12-34"),))
    assert not fits(PATIENT, (("identifier", "urn:y|12-3"),))
    assert not fits(PATIENT, (("identifier", "urn:x|12-3"), ("birthdate", "1981-05-06")))
