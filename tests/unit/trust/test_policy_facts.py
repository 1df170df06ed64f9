"""What facts make of a decision: the permission next to the refusal, what is owed, what looks absent."""

import msgspec
import pytest

from salus.core.access import Action, Assurance, Purpose, Role
from salus.trust.facts import Environment, Facts, Relationship, Restriction, Voice
from salus.trust.jurisdictions.law import jurisdiction_of
from salus.trust.policy import AccessRequest, Obligation, decide, duties, refuse_purpose, rules

ANA = frozenset({"ana"})
READ = AccessRequest(Action.READ, "Observation", "x", ANA)
WRITE = AccessRequest(Action.CREATE, "Observation", "x", ANA)
EMERGENCY = Facts(emergency_reason="unconscious after a fall")
LAW = jurisdiction_of("EU")


def _law(**changes):
    """Return the Regulation's law with other values."""
    values = {
        name: msgspec.structs.replace(getattr(LAW, name), value=value) for name, value in changes.items()
    }
    return msgspec.structs.replace(LAW, **values)


NONE = Relationship.NONE


@pytest.mark.parametrize(
    ("role", "facts", "request_", "rule", "absent"),
    [
        ("clinician", Facts(relationship=Relationship.TEAM), READ, "clinician-treats", False),
        ("clinician", Facts(relationship=Relationship.ROTA), READ, "clinician-treats", False),
        ("clinician", Facts(relationship=NONE), READ, "not-in-their-care", True),
        ("clinician", Facts(relationship=Relationship.ENDED), WRITE, "no-entry-without-care", False),
        ("clinician", Facts(restriction=Restriction.REACHES), READ, "restricted-by-the-citizen", True),
        ("clinician", Facts(restriction=Restriction.ELSEWHERE), READ, "clinician-treats", False),
        ("clinician", Facts(voice=Voice.DENY), READ, "denied-by-consent", True),
        ("clinician", Facts(voice=Voice.SILENT), READ, "clinician-treats", False),
        ("clinician", Facts(is_opted_out_of_exchange=True), READ, "person-opted-out-of-exchange", True),
        ("clinician", Facts(is_own_entry=False), WRITE, "under-ones-own-name", False),
        ("clinician", Facts(has_session=False), READ, "session-has-ended", False),
        ("clinician", Facts(emergency_reason=" "), READ, "emergency-needs-a-reason", False),
        ("citizen", Facts(restriction=Restriction.REACHES), READ, "citizen-sees-own-record", False),
        ("citizen", Facts(relationship=NONE), READ, "another-persons-record", True),
        ("citizen", Facts(wants_results_now=True), READ, "citizen-sees-own-record", False),
        ("proxy", Facts(), READ, "proxy-sees-the-record", False),
        ("proxy", Facts(relationship=Relationship.ENDED), READ, "proxy-power-not-in-force", True),
        ("proxy", Facts(mandate=frozenset({"Condition"})), READ, "proxy-power-does-not-cover", True),
        ("desk", Facts(), READ, "desk-assists-a-citizen", False),
    ],
)
def test_facts_decide(caller, role, facts, request_, rule, absent):
    purpose = Purpose.PATIENT_REQUEST if role in ("citizen", "proxy", "desk") else Purpose.TREATMENT
    decision = decide(caller(Role(role), purpose=purpose, patient="ana"), request_, facts)
    assert (decision.rule, decision.absent) == (rule, absent)
    assert decision.permitted == bool(decision.obligations)


@pytest.mark.parametrize(
    ("facts", "rule", "absent"),
    [
        (Facts(has_permit=True), "data-user-works-under-a-permit", False),
        (Facts(), "no-rule-permits-this", False),
        (Facts(has_permit=True, relationship=NONE), "outside-permit-or-study", True),
        (Facts(has_permit=True, mandate=frozenset()), "outside-the-data-permit", False),
        (Facts(has_permit=True, environment=Environment.OUTSIDE), "person-level-data-stay-inside", False),
        (
            Facts(has_permit=True, is_opted_out_of_secondary_use=True),
            "person-opted-out-of-secondary-use",
            True,
        ),
    ],
)
def test_a_data_user_needs_a_permit_and_its_environment(caller, facts, rule, absent):
    who = caller(Role.RESEARCHER, purpose=Purpose.RESEARCH)
    decision = decide(who, AccessRequest(Action.READ, "dataset", "x"), facts)
    assert (decision.rule, decision.absent) == (rule, absent)


@pytest.mark.parametrize("voice", list(Voice))
def test_a_study_reads_persons_by_their_consent_only(caller, voice):
    decision = decide(caller(Role.RESEARCHER, purpose=Purpose.RESEARCH), READ, Facts(voice=voice))
    assert decision.permitted == (voice is Voice.PERMIT)
    assert decision.absent == (voice is not Voice.PERMIT)


@pytest.mark.parametrize(("checked", "permitted"), [(True, True), (False, False)])
def test_a_result_leaves_when_it_was_checked(caller, checked, permitted):
    who = caller(Role.RESEARCHER, purpose=Purpose.RESEARCH)
    facts = Facts(has_permit=True, is_output_checked=checked)
    assert decide(who, AccessRequest(Action.EXPORT, "aggregate", "x"), facts).permitted is permitted


@pytest.mark.clause("EHDS 11(5)")
@pytest.mark.parametrize(
    "closed",
    [
        {"relationship": NONE},
        {"restriction": Restriction.REACHES},
        {"voice": Voice.DENY},
        {"voice": Voice.SILENT},
    ],
)
@pytest.mark.parametrize("law", [LAW, _law(default_access="deny")])
@pytest.mark.parametrize("role", ["clinician", "emergency"])
def test_an_emergency_opens_and_is_told_and_looked_at_again(caller, role, law, closed):
    facts = msgspec.structs.replace(EMERGENCY, **closed)
    decision = decide(caller(Role(role), purpose=Purpose.EMERGENCY), READ, facts, law)
    assert decision.permitted
    assert {Obligation.INFORM_CITIZEN, Obligation.REVIEW_AFTER} <= decision.obligations


def test_an_opt_out_of_exchange_opens_in_an_emergency_where_the_law_says_so(caller):
    who = caller(purpose=Purpose.EMERGENCY)
    facts = msgspec.structs.replace(EMERGENCY, is_opted_out_of_exchange=True)
    assert decide(who, READ, facts, _law(exchange_opt_out_opened_in_emergency=True)).permitted
    assert decide(who, READ, facts, _law(exchange_opt_out_opened_in_emergency=False)).absent


def test_an_emergency_is_no_way_in_for_others(caller):
    facts = msgspec.structs.replace(EMERGENCY, relationship=NONE)
    assert not decide(caller(Role.CITIZEN, patient="ana"), READ, facts).permitted
    assert not decide(caller(purpose=Purpose.RESEARCH), READ, facts).permitted


@pytest.mark.parametrize(
    ("assurance", "country", "permitted"),
    [("low", "PT", False), ("substantial", "PT", True), ("substantial", "EE", False), ("high", "EE", True)],
)
def test_the_law_says_how_sure_a_log_in_must_be(caller, assurance, country, permitted):
    who = msgspec.structs.replace(caller(), assurance=Assurance(assurance))
    assert decide(who, READ, law=jurisdiction_of(country)).permitted is permitted


def test_a_tie_that_was_only_stated_abroad_is_marked(caller):
    decision = decide(caller(node="EE"), READ, Facts(is_proven=False))
    assert {Obligation.MARK_UNPROVEN, Obligation.INFORM_CITIZEN} <= decision.obligations
    assert Obligation.MARK_UNPROVEN not in decide(caller(node="EE"), READ).obligations


def test_where_the_default_is_deny_a_consent_permits(caller):
    law = _law(default_access="deny")
    assert decide(caller(), READ, Facts(), law).absent
    assert decide(caller(), READ, Facts(voice=Voice.PERMIT), law).permitted


def test_a_mandate_narrows_what_may_be_read_on_the_way(caller):
    who = caller(Role.PROXY, purpose=Purpose.PATIENT_REQUEST, patient="ana")
    mandate = frozenset({"MedicationRequest", "Medication"})
    decision = decide(who, AccessRequest(Action.SEARCH, "MedicationRequest", "x"), Facts(mandate=mandate))
    assert decision.permitted
    assert decision.types == mandate


@pytest.mark.parametrize(("offered", "permitted"), [(True, True), (False, False)])
def test_the_opt_out_of_exchange_is_a_right_where_the_law_offers_it(caller, offered, permitted):
    who = caller(Role.CITIZEN, patient="ana")
    asked = AccessRequest(Action.UPDATE, "exchange-opt-out", "x")
    law = _law(exchange_opt_out_offered=offered)
    assert decide(who, asked, law=law).permitted is permitted
    assert not decide(caller(Role.OPERATOR, purpose=Purpose.OPERATIONS), asked, law=law).permitted


@pytest.mark.parametrize(("relationship", "absent"), [(Relationship.OWN, False), (NONE, True)])
def test_a_purpose_that_no_rule_knows_is_refused(relationship, absent):
    decision = refuse_purpose(Facts(relationship=relationship))
    assert (decision.permitted, decision.absent) == (False, absent)


def test_a_refusal_that_looks_absent_advises_as_one_for_a_wrong_identifier():
    assert {rule.advice for rule in rules() if rule.absent} == {"check the identifier"}


def test_every_obligation_is_somebodys():
    assert {obligation for duty in duties() for obligation in duty.obligations} == set(Obligation)
