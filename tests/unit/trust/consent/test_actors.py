"""Whom an actor of a Consent means."""

import msgspec
import pytest

from salus.trust.audiences import words_of
from salus.trust.consent.actors import words_of_actor

NAMES = {
    "Practitioner/p": {"resourceType": "Practitioner", "identifier": [{"system": "s", "value": "D-7"}]},
    "Organization/o": {"resourceType": "Organization", "name": "Tartu Hospital", "alias": ["TH"]},
    "PractitionerRole/r": {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": "Practitioner/p"},
        "organization": {"reference": "Organization/o"},
    },
    "CareTeam/t": {
        "resourceType": "CareTeam",
        "participant": [
            {"member": {"reference": "PractitionerRole/r"}},
            {"member": {"reference": "Organization/o/_history/1"}},
        ],
    },
    "Group/g": {
        "resourceType": "Group",
        "member": [
            {"entity": {"reference": "Practitioner/p"}},
            {"entity": {"reference": "Group/g"}},
            {"entity": {"reference": "Organization/o"}, "inactive": True},
        ],
    },
}
PERSON = {"person:p", "person:D-7"}
HOSPITAL = {"organisation:o", "organisation:Tartu Hospital", "organisation:TH"}


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        ("Practitioner/p", PERSON),
        ("Organization/o", HOSPITAL),
        ("PractitionerRole/r", PERSON),
        ("CareTeam/t", PERSON | HOSPITAL),
        ("Group/g", PERSON),
        ("Practitioner/unknown", set()),
        ("urn:iso:std:iso:3166|EE", {"country:EE"}),
        ("urn:salus:organisation|Tartu Hospital", {"organisation:Tartu Hospital"}),
        ("urn:oid:1.2|77", {"person:77", "organisation:77", "organisation:urn:oid:1.2|77"}),
    ],
)
def test_an_actor_is_known_by_its_id_its_identifiers_and_its_names(actor, words):
    assert words_of_actor(actor, NAMES) == words


NUMBERED = {
    "Organization/n": {
        "resourceType": "Organization",
        "name": "Clinic",
        "identifier": [{"system": "urn:oid:1.2", "value": "77"}],
    }
}


def test_what_is_denied_to_an_organisation_is_denied_by_its_identifier_and_by_its_name():
    known = {"organisation:n", "organisation:77", "organisation:urn:oid:1.2|77"}
    assert words_of_actor("Organization/n", NUMBERED) == known | {"organisation:Clinic"}


def test_what_is_permitted_to_one_with_an_identifier_is_not_to_another_of_the_same_name(caller):
    def is_meant(number):
        who = msgspec.structs.replace(caller(), organisation="Clinic", organisation_id=number)
        return not words_of_actor("Organization/n", NUMBERED, permits=True).isdisjoint(words_of(who))

    assert is_meant("urn:oid:1.2|77")
    assert not is_meant("urn:oid:1.2|78")
    assert not is_meant("urn:oid:9|77")
    assert is_meant("")  # nobody vouched for an identifier: its name is the fall-back
