"""A look-up points at one person: one value each, whole names, a full birth date."""

import pytest

from salus.core.errors import InvalidSearch
from salus.primary.demographics import check_lookup, fits

NAMED = (("family", "Silva"), ("given", "Ana"), ("birthdate", "1980-05-06"))
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
        check_lookup(pairs)


@pytest.mark.parametrize("pairs", [NAMED, (("identifier", "urn:x|1"),), (*NAMED, ("gender", "female"))])
def test_a_question_that_points_at_one_person_is_taken(pairs):
    check_lookup(pairs)


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
