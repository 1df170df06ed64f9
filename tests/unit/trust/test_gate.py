"""The gate writes every access down, whatever becomes of it."""

from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from salus.core.access import Action, Role
from salus.core.errors import AccessRefused, NotFound, StorageUnavailable
from salus.store.journal import open_journal
from salus.store.ledger import decode_entry
from salus.trust.facts import Facts, Restriction
from salus.trust.gate import KEPT, Gatehouse, enter
from salus.trust.policy import AccessRequest, Obligation

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


async def leaves(database):
    async with database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
    return [decode_entry(row["entry"]) for row in rows]


@pytest.fixture
async def gatehouse(database):
    async with open_journal(database) as journal:
        yield Gatehouse(journal, lambda: NOW, lambda: "request-1")


async def test_a_read_leaves_one_leaf_per_patient_with_counts(database, gatehouse, caller):
    request = AccessRequest(Action.SEARCH, "Observation", "Observation?code")
    async with enter(gatehouse, caller(), request) as access:
        access.record(("ana",))
        access.record(("ana", "rui"))
        assert await leaves(database) == []
    found = await leaves(database)
    assert [(leaf.patient, leaf.resources, leaf.outcome) for leaf in found] == [
        ("ana", 2, "served"), ("rui", 1, "served"),
    ]  # fmt: skip
    first = found[0]
    assert (first.what, first.name, first.purpose, first.rule) == (
        "Observation?code", "Mari Tamm", "TREAT", "clinician-treats",
    )  # fmt: skip
    assert first.request == "request-1"


async def test_a_grant_says_to_which_audiences_of_a_veil_its_caller_belongs(gatehouse, caller):
    knowing = msgspec.structs.replace(gatehouse, country_of={"ee-1": "EE"}.get)
    request = AccessRequest(Action.READ, "Observation", "Observation/o", frozenset({"ana"}))
    async with enter(knowing, caller(node="ee-1"), request) as access:
        assert {"professionals", "abroad", "node:ee-1", "country:EE"} <= access.grant.audiences
    async with enter(knowing, caller(), request) as access:
        assert not any(word.startswith("country:") for word in access.grant.audiences)
    async with enter(knowing, caller(Role.CITIZEN, patient="ana"), request) as access:
        assert access.grant.audiences == frozenset()


async def test_leaves_sent_off_early_are_written_once_and_before_the_answer_leaves(
    database, gatehouse, caller
):
    request = AccessRequest(Action.SEARCH, "Observation", "Observation?code")
    async with enter(gatehouse, caller(), request) as access:
        access.record(("ana",))
        await access.begin()
    assert [(leaf.patient, leaf.resources) for leaf in await leaves(database)] == [("ana", 1)]
    async with enter(gatehouse, caller(), request) as access:
        await access.begin()
        access.record(("rui",))
    assert [(leaf.patient, leaf.resources) for leaf in await leaves(database)][1:] == [("", 0), ("rui", 1)]


async def test_a_failure_after_leaves_were_sent_off_is_written_too(database, gatehouse, caller):
    async def fail():
        request = AccessRequest(Action.SEARCH, "Observation", "Observation?code")
        async with enter(gatehouse, caller(), request) as access:
            access.record(("ana",))
            await access.begin()
            raise NotFound("no such thing")

    with pytest.raises(NotFound):
        await fail()
    assert [leaf.outcome for leaf in await leaves(database)] == ["served", "failed"]


FULL_DISK = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON leaf EXECUTE FUNCTION full_disk();
"""


async def test_no_answer_leaves_when_leaves_sent_off_cannot_be_written(
    database, database_url, gatehouse, caller
):
    owner = await asyncpg.connect(database_url)
    await owner.execute(FULL_DISK)
    await owner.close()
    answers = []

    async def answer():
        request = AccessRequest(Action.SEARCH, "Observation", "Observation?code")
        async with enter(gatehouse, caller(), request) as access:
            await access.begin()
            answers.append("made")
        answers.append("sent")

    with pytest.raises(StorageUnavailable):
        await answer()
    assert answers == ["made"]


async def test_a_search_that_finds_nothing_is_an_access_to_the_patient_named(database, gatehouse, caller):
    request = AccessRequest(Action.SEARCH, "Observation", "Observation?patient", frozenset({"ana"}))
    async with enter(gatehouse, caller(), request):
        pass
    assert [(leaf.patient, leaf.resources) for leaf in await leaves(database)] == [("ana", 0)]


async def test_a_refusal_is_written_before_it_is_told(database, gatehouse, caller):
    request = AccessRequest(Action.EXPORT, "", "$export", frozenset({"ana"}))
    with pytest.raises(AccessRefused, match="no-rule-permits-this"):
        async with enter(gatehouse, caller(), request):
            pytest.fail("let in")
    assert [(leaf.patient, leaf.outcome) for leaf in await leaves(database)] == [("ana", "refused")]


async def test_a_failure_is_written_and_passes_on(database, gatehouse, caller):
    request = AccessRequest(Action.READ, "Observation", "Observation/1")
    passage = enter(gatehouse, caller(Role.CITIZEN, patient="ana"), request)

    async def fail():
        async with passage as access:
            access.record(("ana",))
            raise NotFound("no such thing")

    with pytest.raises(NotFound):
        await fail()
    assert [(leaf.patient, leaf.resources, leaf.outcome) for leaf in await leaves(database)] == [
        ("ana", 0, "failed")
    ]


async def test_no_answer_leaves_when_the_audit_cannot_be_written(database, caller):
    async with open_journal(database, leaves_max=0) as journal:
        gatehouse = Gatehouse(journal, lambda: NOW)
        with pytest.raises(StorageUnavailable):
            async with enter(gatehouse, caller(), AccessRequest(Action.READ, "Observation", "x")) as access:
                access.record(("ana",))


async def test_what_was_settled_is_not_written_twice(database, gatehouse, caller):
    async with enter(gatehouse, caller(), AccessRequest(Action.SEARCH, "Observation", "x")) as access:
        access.record(("ana",), count=50)
        await access.settle()
        assert len(await leaves(database)) == 1
    assert [leaf.resources for leaf in await leaves(database)] == [50]


async def test_an_entry_of_a_bundle_is_decided_by_itself(gatehouse, caller):
    citizen = caller(Role.CITIZEN, patient="ana")
    async with enter(gatehouse, citizen, AccessRequest(Action.CREATE, "", "Bundle")) as access:
        access.require(Action.CREATE, "Observation")
        for action, kind in ((Action.CREATE, "MedicationRequest"), (Action.UPDATE, "AuditEvent")):
            with pytest.raises(AccessRefused):
                access.require(action, kind)


@pytest.mark.clause("EHDS 8")
async def test_a_look_that_must_seem_absent_opens_nobody_and_the_store_answers(database, gatehouse, caller):
    request = AccessRequest(Action.READ, "Observation", "Observation/1", frozenset({"ana"}))
    async with enter(gatehouse, caller(), request, Facts(restriction=Restriction.REACHES)) as access:
        assert access.grant.patients == frozenset()
    assert [(leaf.outcome, leaf.rule, leaf.patient) for leaf in await leaves(database)] == [
        ("refused", "restricted-by-the-citizen", "ana")
    ]


@pytest.mark.parametrize(
    ("facts", "action", "error", "rule"),
    [
        (Facts(restriction=Restriction.REACHES), Action.UPDATE, NotFound, "restricted-by-the-citizen"),
        (Facts(has_session=False), Action.READ, AccessRefused, "session-has-ended"),
        (Facts(emergency_reason=" "), Action.READ, AccessRefused, "emergency-needs-a-reason"),
    ],
)
async def test_a_refusal_by_facts_is_told_only_where_it_tells_nothing_of_the_person(
    database, gatehouse, caller, facts, action, error, rule
):
    request = AccessRequest(action, "Observation", "Observation/1", frozenset({"ana"}))
    with pytest.raises(error) as refused:
        async with enter(gatehouse, caller(), request, facts):
            pass
    if error is NotFound:
        assert refused.value.message == "There is no Observation/1 that this access may see."
    assert [(leaf.outcome, leaf.rule) for leaf in await leaves(database)] == [("refused", rule)]


async def test_a_permission_whose_obligations_nobody_keeps_is_a_refusal(gatehouse, caller):
    careless = msgspec.structs.replace(gatehouse, keeps=KEPT - {Obligation.REVIEW_AFTER})
    request = AccessRequest(Action.READ, "Observation", "Observation/1", frozenset({"ana"}))
    with pytest.raises(AccessRefused, match="obligation-that-nobody-keeps"):
        async with enter(careless, caller(), request, Facts(emergency_reason="unconscious")):
            pass


@pytest.mark.clause("EHDS 11(5)")
async def test_an_emergency_is_marked_in_its_leaf(database, gatehouse, caller):
    request = AccessRequest(Action.READ, "Observation", "Observation/1", frozenset({"ana"}))
    async with enter(gatehouse, caller(), request, Facts(emergency_reason="unconscious")) as access:
        assert access.grant.rule == "clinician-treats"
        access.record(["ana"])
    assert [leaf.marks for leaf in await leaves(database)] == [("emergency",)]


@pytest.mark.clause("EHDS 11(1)")
async def test_what_is_unproven_is_marked_and_the_citizen_is_told_once_a_day(database, gatehouse, caller):
    request = AccessRequest(Action.READ, "Observation", "Observation/1", frozenset({"ana"}))
    stranger = caller(node="pt-1", patient="ana", scopes=("patient/*.rs",))
    for _ in range(2):
        async with enter(gatehouse, stranger, request, Facts(is_proven=False)) as access:
            access.record(["ana"])
    assert [leaf.marks for leaf in await leaves(database)] == [("unproven",)] * 2
    async with database.system() as connection:
        told = await connection.fetch("SELECT patient, kind, who FROM notice")
    assert [tuple(each) for each in told] == [("ana", "unproven", "Mari Tamm")]


async def test_the_gate_asks_who_knows_and_believes_what_it_is_handed(gatehouse, caller):
    async def knows(who, asked):
        assert asked.what == "Observation/1"
        return Facts(has_session=False)

    informed = msgspec.structs.replace(gatehouse, knows=knows)
    request = AccessRequest(Action.READ, "Observation", "Observation/1", frozenset({"ana"}))
    with pytest.raises(AccessRefused, match="session-has-ended"):
        async with enter(informed, caller(), request):
            pass
    async with enter(informed, caller(), request, Facts(is_own_entry=False)) as access:
        assert access.grant.patients == {"ana"}


async def test_an_entry_of_a_bundle_is_decided_by_the_same_facts(gatehouse, caller):
    request = AccessRequest(Action.READ, "Patient", "Patient/ana", frozenset({"ana"}))
    facts = Facts(is_own_entry=False)
    async with enter(gatehouse, caller(), request, facts) as access:
        with pytest.raises(AccessRefused):
            access.require(Action.CREATE, "Observation")
