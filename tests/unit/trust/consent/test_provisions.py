"""What Consents become: what an exception takes over, and what is not understood never widens."""

import pytest

from salus.trust.consent.provisions import provisions_of

ANA = {"reference": {"reference": "Practitioner/ana"}}
TREAT = [{"code": "TREAT"}]


def _consent(provision, **more):
    return {"resourceType": "Consent", "status": "active", "provision": provision} | more


def _coded(code):
    return {"coding": [{"code": code}]}


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected", "inactive", "entered-in-error"])
def test_a_consent_that_is_not_active_says_nothing(status):
    assert provisions_of([_consent({"type": "permit"}, status=status)]) == ()


@pytest.mark.parametrize(
    ("scope", "count"), [("patient-privacy", 1), ("research", 1), ("treatment", 0), ("adr", 0)]
)
def test_only_consents_about_privacy_or_research_count(scope, count):
    assert len(provisions_of([_consent({"type": "permit"}, scope=_coded(scope))])) == count


def test_a_research_consent_permits_research_only():
    (found,) = provisions_of([_consent({"type": "permit"}, scope=_coded("research"))])
    assert {"HRESCH", "CLINTRCH"} <= found.purposes
    assert "TREAT" not in found.purposes


def test_a_permitted_exception_takes_over_what_it_does_not_state():
    nested = {"type": "permit", "actor": [ANA]}
    found = provisions_of([_consent({"type": "deny", "purpose": TREAT, "provision": [nested]})])
    assert [each.permits for each in found] == [False, True]
    assert "ETREAT" in found[1].purposes
    assert "CLINTRL" not in found[1].purposes


def test_a_denied_exception_reaches_as_far_as_its_own_words():
    nested = {"type": "deny", "actor": [ANA]}
    found = provisions_of([_consent({"type": "permit", "purpose": TREAT, "provision": [nested]})])
    assert found[1].purposes is None


def test_an_exception_ends_with_what_it_is_nested_in():
    nested = {"type": "permit", "period": {"start": "2022-06-01", "end": "2030-01-01"}}
    found = provisions_of(
        [_consent({"type": "deny", "period": {"end": "2022-12-31"}, "provision": [nested]})]
    )
    assert found[1].period[1] == found[0].period[1]


@pytest.mark.parametrize("code", ["OPTIN", "OPTOUT"])
def test_without_a_type_the_policy_rule_is_the_base(code):
    (found,) = provisions_of([_consent({}, policyRule=_coded(code))])
    assert found.permits == (code == "OPTIN")


def test_without_type_and_policy_rule_only_exceptions_speak():
    assert len(provisions_of([_consent({"provision": [{"type": "deny"}]})])) == 1


@pytest.mark.parametrize(("kind", "words"), [("deny", None), ("permit", frozenset())])
def test_an_actor_who_cannot_be_told_is_everybody_denied_and_nobody_permitted(kind, words):
    unknown = {"reference": {"display": "Dr Who"}}
    (found,) = provisions_of([_consent({"type": kind, "actor": [unknown]})])
    assert found.actors == words


def test_what_carries_a_modifier_extension_permits_nothing():
    nested = [{"type": "permit"}, {"type": "deny"}]
    consent = _consent({"type": "permit", "provision": nested}, modifierExtension=[{"url": "x"}])
    assert [each.permits for each in provisions_of([consent])] == [False]


def test_an_unknown_type_denies():
    assert not provisions_of([_consent({"type": "maybe"})])[0].permits
