"""From whom what a citizen says hides a resource."""

import pytest

from salus.store.consents import Consents
from salus.trust.consent.veils import PRIVATE, is_hidden, is_private, rules_of, veil_over
from salus.trust.consent.voice import item_of

AT = 1_800_000_000.0
NAMES = {
    "Practitioner/p": {"resourceType": "Practitioner"},
    "Organization/o": {"resourceType": "Organization", "name": "Tartu Hospital"},
}
CONDITION = item_of({"resourceType": "Condition", "id": "c"})
OBSERVATION = item_of({"resourceType": "Observation", "id": "o"})
ANYONE = {"professionals", "purpose:TREAT"}
DOCTOR = {"person:p", *ANYONE}
HOSPITAL = {"organisation:Tartu Hospital", *ANYONE}


def veil(item, *roots, default_denies=False):
    said = Consents(tuple({"status": "active", "provision": root} for root in roots), NAMES)
    return veil_over(item, rules_of(said, default_denies=default_denies))


def hides(words, item, *roots, at=AT, **more):
    hanging = veil(item, *roots, **more)
    return hanging is not None and is_hidden(hanging, words, at)


def actor(*references):
    return [{"reference": {"reference": each}} for each in references]


def test_a_denial_without_actor_hides_from_every_professional_what_it_is_about():
    root = {"type": "deny", "class": [{"code": "Condition"}]}
    assert hides(ANYONE, CONDITION, root)
    assert not hides({"person:ana", "proxies"}, CONDITION, root)
    assert veil(OBSERVATION, root) is None


def test_a_denial_hides_from_each_of_its_actors_for_its_purpose():
    purpose = [{"code": "PUBHLTH"}]
    root = {"type": "deny", "actor": actor("Organization/o", "Practitioner/p"), "purpose": purpose}
    assert hides({"organisation:Tartu Hospital", "purpose:PUBHLTH"}, CONDITION, root)
    assert hides({"person:p", "purpose:THREAT"}, CONDITION, root)
    assert not hides(HOSPITAL, CONDITION, root)
    assert not hides({"purpose:PUBHLTH", "organisation:Other"}, CONDITION, root)


def test_a_denial_of_an_actor_who_cannot_be_told_hides_from_everybody_and_a_permit_spares_nobody():
    assert hides(ANYONE, CONDITION, {"type": "deny", "actor": actor("Practitioner/gone")})
    permit = {"type": "permit", "actor": actor("Practitioner/gone")}
    assert hides(DOCTOR, CONDITION, {"type": "deny", "provision": [permit]})


@pytest.mark.parametrize("action", ["collect", "disclose"])
def test_a_denial_of_something_else_than_access_hides_nothing(action):
    assert veil(CONDITION, {"type": "deny", "action": [{"coding": [{"code": action}]}]}) is None


def test_a_permit_hides_nothing():
    assert veil(CONDITION, {"type": "permit"}) is None


def test_an_exception_for_somebody_spares_them_for_what_it_is_about():
    nested = {"type": "permit", "actor": actor("Practitioner/p"), "class": [{"code": "Condition"}]}
    root = {"type": "deny", "provision": [nested]}
    assert not hides(DOCTOR, CONDITION, root)
    assert hides(DOCTOR, OBSERVATION, root)
    assert hides(HOSPITAL, CONDITION, root)


def test_an_exception_spares_for_its_time():
    nested = {"type": "permit", "actor": actor("Practitioner/p"), "period": {"end": "2026-12-31"}}
    root = {"type": "deny", "provision": [nested]}
    assert not hides(DOCTOR, CONDITION, root, at=1_790_000_000.0)
    assert hides(DOCTOR, CONDITION, root)


def test_a_permit_of_another_consent_spares_where_it_is_about_less_people():
    permit = {"type": "permit", "actor": actor("Practitioner/p")}
    assert not hides(DOCTOR, CONDITION, {"type": "deny"}, permit)
    assert hides(ANYONE, CONDITION, {"type": "deny"}, permit)


def test_a_permit_that_outdoes_one_denial_is_no_way_past_another():
    permit = {"type": "permit", "actor": actor("Practitioner/p")}
    coded = {"type": "deny", "class": [{"code": "Condition"}]}
    assert hides(DOCTOR, CONDITION, {"type": "deny", "provision": [permit]}, coded)
    of_another = {"type": "deny", "class": [{"code": "Condition"}], "actor": actor("Organization/o")}
    assert not hides(DOCTOR, CONDITION, {"type": "deny", "provision": [permit]}, of_another)


def test_where_nothing_is_open_that_no_consent_permits_the_rest_is_hidden():
    permit = {"type": "permit", "class": [{"code": "Condition"}]}
    assert not hides(ANYONE, CONDITION, permit, default_denies=True)
    assert hides(ANYONE, OBSERVATION, permit, default_denies=True)
    assert hides(
        ANYONE, OBSERVATION, {"type": "permit", "actor": actor("Practitioner/p")}, default_denies=True
    )


def test_veils_that_say_the_same_are_one():
    root = {"type": "deny", "class": [{"code": "Condition"}, {"code": "Observation"}]}
    assert veil(CONDITION, root) == veil(OBSERVATION, root)
    assert veil(CONDITION, root).id != veil(CONDITION, root | {"actor": actor("Practitioner/p")}).id
    assert is_hidden(PRIVATE, ANYONE, AT)


@pytest.mark.parametrize(
    ("codes", "private"),
    [(["patient-privacy"], True), (["research"], True), ([], True), (["adr"], False), (["adr", "x"], True)],
)
def test_a_consent_is_private_unless_it_is_a_directive_or_of_treatment(codes, private):
    assert is_private({"scope": {"coding": [{"code": code} for code in codes]}}) is private
    assert is_private({})
