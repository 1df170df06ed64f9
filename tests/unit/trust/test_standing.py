"""What is known of a person becomes facts of a request about them, and of no other."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from salus.core.access import Action, Purpose, Role
from salus.store.consents import NOTHING_SAID, Consents
from salus.store.standing import Person, Power, Rescue
from salus.trust.facts import ORDINARY, Facts, Relationship, Voice
from salus.trust.jurisdictions.law import jurisdiction_of
from salus.trust.policy import AccessRequest
from salus.trust.standing import facts_of, relationship_of

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LAW = jurisdiction_of("EU")


class Known:
    """What a process has in memory, handed over."""

    def __init__(self, persons=None, dead=(), said=NOTHING_SAID):
        self.persons = persons or {}
        self.dead = dead
        self.said = said

    async def consents_of(self, patient):
        return self.said

    async def has_died(self, patient):
        return patient in self.dead


@pytest.fixture
def ask(caller):
    async def ask(known, role=Role.CLINICIAN, patients=("ana",), law=LAW, **fields):
        named = frozenset(patients) if patients else None
        request = AccessRequest(Action.READ, "Observation", "Observation/1", named)
        return await facts_of(known, lambda: NOW, law, caller(role, **fields), request)

    return ask


def rescue(**fields):
    usual = {
        "id": "e",
        "subject": "s-1",
        "node": "",
        "reason": "unconscious",
        "began_at": NOW,
        "ends_at": NOW + HOUR,
    }
    return Rescue(**(usual | fields))


def power(**fields):
    usual = {
        "id": "p", "holder": "eva", "kind": "carer", "types": None, "starts_at": NOW - DAY, "ends_at": None,
        "ended_at": None, "disputed_at": None,
    }  # fmt: skip
    return Power(**(usual | fields))


async def test_a_person_of_whom_nothing_is_known_is_ordinary(ask):
    assert await ask(Known()) is ORDINARY
    assert await ask(Known({"rui": Person(opted_out={"exchange"})})) is ORDINARY
    assert await ask(Known({"ana": Person(opted_out={"exchange"})}), patients=None) is ORDINARY


@pytest.mark.clause("EHDS 10")
async def test_an_opt_out_of_exchange_is_a_fact_for_professionals_alone(ask):
    known = Known({"ana": Person(opted_out={"exchange"})})
    assert await ask(known) == Facts(is_veiled_whole=True)
    assert await ask(known, Role.OPERATOR) is ORDINARY
    assert await ask(known, Role.CITIZEN, patient="ana") is ORDINARY


@pytest.mark.clause("EHDS 10")
@pytest.mark.parametrize(("country", "veiled"), [("PT", False), ("FR", True)])
async def test_the_law_says_whether_an_emergency_opens_in_spite_of_it(ask, country, veiled):
    known = Known({"ana": Person(opted_out={"exchange"}, rescues=[rescue()])})
    facts = await ask(known, subject="s-1", purpose=Purpose.EMERGENCY, law=jurisdiction_of(country))
    assert facts.is_veiled_whole is veiled


CONSENT = {
    "resourceType": "Consent",
    "id": "c",
    "status": "active",
    "scope": {"coding": [{"code": "patient-privacy"}]},
    "provision": {"type": "permit"},
}


async def test_consents_are_heard_of_one_patient_who_has_said_something(ask):
    permit = Known({"ana": Person(has_consents=True)}, said=Consents((CONSENT,)))
    assert (await ask(permit)).voice is Voice.PERMIT
    assert (await ask(permit, patients=("ana", "rui"))).voice is Voice.NONE
    silent = Known({"ana": Person(opted_out={"exchange"})}, said=Consents((CONSENT,)))
    assert (await ask(silent)).voice is Voice.NONE


async def test_a_denial_of_all_is_a_veil_and_speaks_here_only_where_the_law_opens_nothing_else(ask):
    deny = CONSENT | {"provision": {"type": "deny"}}
    known = Known({"ana": Person(has_consents=True)}, said=Consents((deny,)))
    assert (await ask(known)).voice is Voice.NONE
    closed = msgspec.structs.replace(
        LAW, default_access=msgspec.structs.replace(LAW.default_access, value="deny")
    )
    assert (await ask(known, law=closed)).voice is Voice.DENY


@pytest.mark.clause("EHDS 71")
async def test_an_opt_out_of_secondary_use_is_a_fact_for_those_who_reuse(ask):
    known = Known({"ana": Person(opted_out={"secondary-use"})})
    facts = await ask(known, Role.RESEARCHER, purpose=Purpose.RESEARCH)
    assert facts == Facts(is_opted_out_of_secondary_use=True)
    assert not (await ask(known)).is_veiled_whole


@pytest.mark.clause("EHDS 11(5)")
@pytest.mark.parametrize(
    ("fields", "purpose", "reason"),
    [
        ({}, Purpose.EMERGENCY, "unconscious"),
        ({}, Purpose.TREATMENT, None),
        ({"subject": "s-2"}, Purpose.EMERGENCY, None),
        ({"node": "pt-1"}, Purpose.EMERGENCY, None),
        ({"ends_at": NOW}, Purpose.EMERGENCY, None),
        ({"began_at": NOW + HOUR}, Purpose.EMERGENCY, None),
    ],
)
async def test_an_emergency_is_of_one_professional_for_one_patient_for_its_time(ask, fields, purpose, reason):
    known = Known({"ana": Person(rescues=[rescue(**fields)])})
    assert (await ask(known, subject="s-1", purpose=purpose)).emergency_reason == reason


async def test_an_emergency_covers_no_second_patient(ask):
    known = Known({"ana": Person(rescues=[rescue()]), "rui": Person(opted_out={"exchange"})})
    facts = await ask(known, patients=("ana", "rui"), subject="s-1", purpose=Purpose.EMERGENCY)
    assert facts.emergency_reason is None


@pytest.mark.clause("EHDS 11(1)")
@pytest.mark.parametrize(
    ("presences", "proven"),
    [
        ({("pt-1", "s-1"): NOW + HOUR}, True),
        ({("pt-1", "s-1"): NOW}, False),
        ({("pt-1", "s-2"): NOW + HOUR}, False),
        ({("fr-1", "s-1"): NOW + HOUR}, False),
        ({}, False),
    ],
)
async def test_a_professional_abroad_is_believed_as_far_as_the_patient_was_shown_to_be_there(
    ask, presences, proven
):
    known = Known({"ana": Person(presences=presences)})
    assert (await ask(known, subject="s-1", node="pt-1", patient="ana")).is_proven is proven


async def test_a_stranger_abroad_is_unproven_and_one_of_here_is_not_asked(ask):
    assert not (await ask(Known(), node="pt-1", patient="ana")).is_proven
    assert (await ask(Known({"ana": Person(opted_out={"exchange"})}))).is_proven


@pytest.mark.clause("EHDS 4(2)")
@pytest.mark.parametrize(
    ("fields", "died", "relationship"),
    [
        ({}, False, Relationship.OWN),
        ({"starts_at": NOW + DAY}, False, Relationship.NOT_YET),
        ({"ends_at": NOW}, False, Relationship.ENDED),
        ({"ends_at": NOW + DAY}, False, Relationship.OWN),
        ({"ended_at": NOW}, False, Relationship.WITHDRAWN),
        ({"disputed_at": NOW}, False, Relationship.WITHDRAWN),
        ({}, True, Relationship.ENDED),
        ({"kind": "executor"}, False, Relationship.NOT_YET),
        ({"kind": "executor"}, True, Relationship.OWN),
    ],
)
def test_a_power_is_in_force_from_its_start_to_its_end_and_not_in_dispute(fields, died, relationship):
    assert relationship_of(power(**fields), NOW, LAW, has_died=died) is relationship


def test_the_law_says_whose_power_outlasts_the_person():
    parent = power(kind="parent")
    found = {law: relationship_of(parent, NOW, jurisdiction_of(law), has_died=True) for law in ("PT", "FR")}
    assert found == {"PT": Relationship.ENDED, "FR": Relationship.OWN}


async def test_a_proxy_is_tied_by_a_power_of_their_own_and_to_what_it_covers(ask):
    proxy = {"role": Role.PROXY, "subject": "eva", "patient": "ana", "purpose": Purpose.PATIENT_REQUEST}
    assert (await ask(Known(), **proxy)).relationship is Relationship.NONE
    of_another = Known({"ana": Person(powers=[power(holder="rui")])})
    assert (await ask(of_another, **proxy)).relationship is Relationship.NONE
    some = Person(powers=[power(types=frozenset({"Condition"})), power(ends_at=NOW)])
    facts = await ask(Known({"ana": some}), **proxy)
    assert (facts.relationship, facts.mandate) == (Relationship.OWN, {"Condition"})
    both = Person(powers=[power(types=frozenset({"Condition"})), power()])
    assert (await ask(Known({"ana": both}), **proxy)).mandate is None


async def test_nobody_logs_in_for_the_dead(ask):
    assert (await ask(Known(dead={"ana"}), Role.CITIZEN, patient="ana")).has_died
