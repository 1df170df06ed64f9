"""From whom a veil may hide: by role, organisation, node and purpose; and what an emergency lifts."""

import msgspec
import pytest

from salus.core.access import Action, Purpose, Role
from salus.trust.audiences import ABROAD, EXCHANGE, PROFESSIONALS, PROXIES, audiences_of, words_of
from salus.trust.facts import Facts
from salus.trust.jurisdictions.law import jurisdiction_of
from salus.trust.policy import AccessRequest, decide

REQUEST = AccessRequest(Action.READ, "Observation", "x", frozenset({"ana"}))


def _audiences(who, facts, country):
    law = jurisdiction_of(country)
    return audiences_of(who, decide(who, REQUEST, facts, law), law)


def test_a_clinician_is_a_professional_of_an_organisation_with_a_purpose(caller):
    assert _audiences(caller(), Facts(), "PT") == {
        PROFESSIONALS,
        EXCHANGE,
        "person:s-1",
        "organisation:Tartu Hospital",
        "organisation-named:Tartu Hospital",
        "purpose:TREAT",
    }
    assert {ABROAD, "node:EE"} <= _audiences(caller(node="EE"), Facts(), "PT")
    assert "country:EE" in words_of(caller(node="ee-1"), "EE")


def test_who_is_vouched_an_identifier_is_known_by_it_and_not_by_the_name_alone(caller):
    who = msgspec.structs.replace(caller(), organisation_id="urn:oid:1.2|77")
    words = words_of(who)
    assert {"organisation:urn:oid:1.2|77", "organisation:Tartu Hospital"} <= words
    assert "organisation-named:Tartu Hospital" not in words


@pytest.mark.parametrize("role", ["citizen", "operator", "auditor"])
def test_the_citizen_and_whom_the_law_lets_see_all_belong_to_none(caller, role):
    assert _audiences(caller(Role(role), patient="ana"), Facts(), "PT") == frozenset()


def test_a_proxy_is_no_professional(caller):
    who = caller(Role.PROXY, purpose=Purpose.PATIENT_REQUEST, patient="ana")
    found = _audiences(who, Facts(), "PT")
    assert PROXIES in found
    assert PROFESSIONALS not in found


@pytest.mark.clause("EHDS 11(5)")
@pytest.mark.parametrize(("country", "left"), [("PT", frozenset()), ("FR", frozenset({ABROAD, EXCHANGE}))])
def test_an_emergency_lifts_all_but_what_the_law_keeps_closed(caller, country, left):
    who = caller(purpose=Purpose.EMERGENCY, node="EE")
    assert _audiences(who, Facts(emergency_reason="unconscious"), country) == left
    here = caller(purpose=Purpose.EMERGENCY)
    assert _audiences(here, Facts(emergency_reason="unconscious"), country) == left - {ABROAD}


@pytest.mark.parametrize("role", ["app", "desk", "researcher", "access-body", "node"])
def test_who_is_neither_citizen_nor_proxy_sees_no_more_than_a_professional(caller, role):
    assert PROFESSIONALS in _audiences(caller(Role(role)), Facts(), "PT")
