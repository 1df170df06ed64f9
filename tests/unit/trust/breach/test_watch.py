"""Single behaviours of the watch: what is no access, what is told at once, what explains an access."""

from datetime import UTC, datetime, timedelta

import pytest

from salus.core.access import Leaf, Outcome
from salus.trust.breach.affected import Scope
from salus.trust.breach.facts import Contact, Facts
from salus.trust.breach.memory import Watch
from salus.trust.breach.thresholds import thresholds
from salus.trust.breach.watch import see

BEGIN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def leaf(day=0, hour=0.0, **fields):
    usual = {
        "at": BEGIN + timedelta(days=day, hours=hour), "request": "r", "patient": "p1", "subject": "s1",
        "name": "Mari", "role": "clinician", "organisation": "House", "node": "", "purpose": "TREAT",
        "action": "read", "what": "summary", "resources": 1, "outcome": Outcome.SERVED, "rule": "x",
    }  # fmt: skip
    return Leaf(**(usual | fields))


def ward(days=20, staff=30, extra=()):
    """Return the leaves of three teams, each at its own patients, and extra ones, in order."""
    found = [
        leaf(day, number % 8, subject=f"s{number}", patient=f"t{number % 3}-{(day + each) % 12}")
        for day in range(days)
        for number in range(staff)
        for each in range(6)
    ]
    return sorted([*found, *extra], key=lambda one: one.at)


def told(leaves, facts=None):
    watch, facts = Watch(), facts or Facts()
    return [finding for index, each in enumerate(leaves) for finding in see(watch, facts, index, each)]


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "citizen"},
        {"role": "app", "action": "export"},
        {"action": "load"},
        {"action": "audit"},
        {"action": "export"},
        {"rule": "auditor-keeps-incidents"},
        {"patient": "p2"},
        {"outcome": Outcome.REFUSED},
    ],
)
def test_what_does_not_open_a_honey_record_is_not_told(fields):
    assert told([leaf(**fields)], Facts(honey=frozenset({"p1"}))) == []


def test_a_honey_record_is_told_at_once_and_not_again_for_weeks():
    facts = Facts(honey=frozenset({"p1"}))
    found = told([leaf(), leaf(day=3), leaf(day=40)], facts)
    assert [(each.subject, each.reasons[0].detector, each.reasons[0].leaves) for each in found] == [
        ("s1", "honey", (0,)),
        ("s1", "honey", (2,)),
    ]


def test_teams_at_their_own_patients_are_left_alone():
    assert told(ward()) == []


def strangers(**fields):
    return [
        leaf(day, 3.5, subject="s0", patient=f"x{day}-{each}", **fields)
        for day in range(8, 18)
        for each in range(4)
    ]


def detectors_of(findings):
    return {reason.detector for each in findings for reason in each.reasons}


def test_patients_whom_no_colleague_treats_are_told():
    found = told(ward(extra=strangers()))
    assert {each.subject for each in found} == {"s0"}
    assert "strangers" in detectors_of(found)


def test_a_note_in_the_record_explains_the_access():
    assert told(ward(extra=strangers(action="create"))) == []


@pytest.mark.parametrize("unit", ["House", "s0"])
def test_an_encounter_with_the_unit_or_the_person_explains_the_access(unit):
    extra = strangers()
    contacts = {each.patient: [Contact(BEGIN, None, unit)] for each in ward(extra=extra)}
    assert "strangers" not in detectors_of(told(ward(extra=extra), Facts(contacts=contacts)))


def test_broken_glass_is_told_unless_somebody_looked_at_it():
    extra = [
        leaf(day, 3, subject="s0", patient=f"x{day}", purpose="ETREAT", request=f"e{day}")
        for day in range(8, 18)
    ]
    assert "emergency" in detectors_of(told(ward(extra=extra)))
    looked_at = {("s0", each.patient): [Contact(each.at, each.at + timedelta(hours=1))] for each in extra}
    assert "emergency" not in detectors_of(told(ward(extra=extra), Facts(justified=looked_at)))
    of_another_day = {key: [Contact(BEGIN, BEGIN + timedelta(hours=1))] for key in looked_at}
    assert "emergency" in detectors_of(told(ward(extra=extra), Facts(justified=of_another_day)))


def test_a_burst_of_refused_tokens_is_told_without_a_name():
    def refused(day, times):
        return leaf(
            day, 2, subject="", name="", role="", patient="", what="bearer token", resources=times,
            outcome=Outcome.REFUSED, action="authenticate",
        )  # fmt: skip

    calm = [refused(day, 2 + day % 3) for day in range(19)]
    assert told(ward(extra=calm)) == []
    found = told(ward(extra=[*calm, refused(15, 400)]))
    assert [(each.subject, each.reasons[0].detector) for each in found] == [("", "failures")]
    assert "Somebody unknown was refused" in found[0].sentence


def abroad(days=20, nodes=4, extra=()):
    """Return the leaves of nodes abroad, each with a new professional for each patient, and extra ones."""
    found = [
        leaf(day, each, subject=f"n{node}/{day}-{each}", node=f"n{node}", patient=f"a{node}-{day}-{each}")
        for day in range(days)
        for node in range(nodes)
        for each in range(3)
    ]
    return sorted([*found, *extra], key=lambda one: one.at)


def test_a_node_abroad_that_does_as_usual_is_left_alone():
    assert told(abroad()) == []


@pytest.mark.parametrize(("purpose", "detector"), [("ETREAT", "rescues"), ("TREAT", "volume")])
def test_a_node_that_names_somebody_new_for_each_patient_is_told_as_a_node(purpose, detector):
    extra = [
        leaf(15, each / 10, subject=f"n0/x{each}", node="n0", patient=f"x{each}", purpose=purpose)
        for each in range(60)
    ]
    found = told(abroad(extra=extra))
    assert {each.subject for each in found} == {"node:n0"}
    assert found[0].role == "node"
    assert detector in detectors_of(found)


def test_what_a_node_did_is_found_whomever_it_named():
    mine = leaf(subject="n0/x", node="n0")
    scope = Scope("node:n0", BEGIN, BEGIN + timedelta(days=1))
    assert scope.covers(mine)
    assert not scope.covers(leaf(subject="n1/x", node="n1"))
    assert not scope.covers(leaf(subject="x", node=""))


def test_what_is_remembered_of_those_whom_a_node_names_is_bounded():
    most = thresholds().named_by_node_max
    watch, facts = Watch(), Facts(honey=frozenset({"honey"}))
    for number in range(most + 50):
        see(watch, facts, number, leaf(subject=f"n0/{number}", node="n0", patient=f"x{number}"))
    assert len(watch.people) == most + 1
    (found,) = see(watch, facts, most + 50, leaf(subject="n0/new", node="n0", patient="honey"))
    assert (found.subject, found.role) == ("node:n0", "node")
    see(watch, facts, most + 51, leaf(subject="s1"))
    assert "s1" in watch.people


def daily(days=20, **fields):
    """Return what a system or an auditor does every day: three people, one refusal, one look-up in vain."""
    return [leaf(day, each, patient=f"d{day}-{each}", **fields) for day in range(days) for each in range(3)]


def in_order(*parts):
    return sorted((each for part in parts for each in part), key=lambda one: one.at)


def test_an_app_that_opens_a_honey_record_is_told_and_explains_nobodys_access():
    facts = Facts(honey=frozenset({"p1"}))
    (found,) = told([leaf(role="app", subject="pulse", name="Pulse")], facts)
    assert (found.subject, found.role) == ("app:pulse", "app")
    used = leaf(role="citizen", subject="ana", app="pulse")
    watch = Watch()
    see(watch, Facts(), 0, used)
    assert list(watch.people) == ["app:pulse"]
    assert watch.trails == {}
    assert told([leaf(role="citizen", subject="ana")], facts) == []


@pytest.mark.parametrize(
    "as_whom", [{"role": "app", "subject": "pulse"}, {"role": "citizen", "app": "pulse"}]
)
def test_an_app_that_reads_many_more_people_than_ever_is_told(as_whom):
    usual = daily(**as_whom)
    assert told(in_order(ward(), usual)) == []
    much = [leaf(15, each / 50, patient=f"x{each}", **as_whom) for each in range(300)]
    found = told(in_order(ward(), usual, much))
    assert {each.subject for each in found} == {"app:pulse"}
    assert "volume" in detectors_of(found)


def test_an_auditor_who_browses_who_looked_is_told_and_one_who_works_is_not():
    auditor = {"role": "auditor", "subject": "aud", "action": "audit", "what": "AuditEvent"}
    usual = daily(**auditor)
    assert told(in_order(ward(), usual)) == []
    much = [leaf(15, each / 50, patient=f"x{each}", **auditor) for each in range(200)]
    found = told(in_order(ward(), usual, much))
    assert {each.subject for each in found} == {"aud"}
    assert "logs" in detectors_of(found)
    of_an_incident = [
        leaf(15, each / 50, patient=f"x{each}", rule="auditor-keeps-incidents", **auditor)
        for each in range(200)
    ]
    assert told(in_order(ward(), usual, of_an_incident)) == []


@pytest.mark.parametrize(
    ("fields", "detector"),
    [
        ({"patient": "", "what": "Patient?identifier", "resources": 0}, "misses"),
        ({"patient": "", "outcome": Outcome.REFUSED, "resources": 0}, "guesses"),
        ({"patient": "", "outcome": Outcome.FAILED, "resources": 0}, "guesses"),
    ],
)
def test_who_tries_what_exists_is_told_however_slowly(fields, detector):
    def tried(each):
        """Return one an hour and more, over a day: no burst, and no ids in sequence."""
        named = {} if "what" in fields else {"what": f"Patient/u{each * 37 % 1009}"}
        return leaf(15, each / 4, subject="s0", **fields, **named)

    found = told(in_order(ward(), [tried(each) for each in range(60)]))
    assert {each.subject for each in found} == {"s0"}
    assert detector in detectors_of(found)


def test_a_search_that_finds_nothing_in_a_record_is_about_nobody():
    watch = Watch()
    see(watch, Facts(), 0, leaf(patient="", what="Observation?code", resources=0))
    assert watch.people["s1"].days == {}


def test_a_refused_search_and_one_in_vain_are_kept_apart():
    watch = Watch()
    for number, outcome in enumerate((Outcome.REFUSED, Outcome.SERVED, Outcome.SERVED)):
        see(watch, Facts(), number, leaf(patient="", what="Patient?identifier", resources=0, outcome=outcome))
    (day,) = watch.people["s1"].days.values()
    assert [(each.is_refused, each.missed, each.times) for each in day] == [
        (True, False, 1),
        (False, True, 2),
    ]
