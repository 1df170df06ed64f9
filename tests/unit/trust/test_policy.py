"""Who may do what: the permission next to the refusal."""

import pytest

from salus.core.access import Action, Purpose, Role
from salus.trust.policy import AccessRequest, decide, definitions, rules

OWN = frozenset({"ana"})
OTHER = frozenset({"rui"})
A = Action


@pytest.mark.parametrize(
    ("role", "action", "kind", "named", "opens"),
    [
        # A citizen: their own record, whatever they ask for.
        ("citizen", A.READ, "Observation", None, OWN),
        ("citizen", A.SEARCH, "Observation", OTHER, OWN),
        ("citizen", A.HISTORY, "Patient", None, OWN),
        ("citizen", A.CREATE, "Observation", None, OWN),
        ("citizen", A.UPDATE, "Patient", None, OWN),
        ("citizen", A.AUDIT, "", None, OWN),
        ("citizen", A.CREATE, "Patient", None, "refused"),
        ("citizen", A.CREATE, "Patient", frozenset({"fresh"}), frozenset({"fresh"})),
        ("citizen", A.CREATE, "MedicationRequest", None, "refused"),
        ("citizen", A.UPDATE, "AuditEvent", None, "refused"),
        ("citizen", A.DELETE, "Patient", None, "refused"),
        ("citizen", A.LOAD, "", None, "refused"),
        # Professionals: the node, or the patient the request names.
        ("clinician", A.READ, "Observation", None, None),
        ("clinician", A.SEARCH, "Observation", OTHER, OTHER),
        ("clinician", A.CREATE, "Condition", None, None),
        ("clinician", A.CREATE, "CodeSystem", None, "refused"),
        ("clinician", A.UPDATE, "ValueSet", None, "refused"),
        ("clinician", A.DELETE, "StructureDefinition", None, "refused"),
        ("clinician", A.CREATE, "SearchParameter", None, "refused"),
        ("clinician", A.READ, "CodeSystem", None, None),
        ("clinician", A.CREATE, "Medication", None, None),
        ("operator", A.CREATE, "CodeSystem", None, None),
        ("clinician", A.READ, "AuditEvent", None, "refused"),
        ("clinician", A.CREATE, "AuditEvent", None, "refused"),
        ("clinician", A.EXPORT, "", None, "refused"),
        ("clinician", A.AUDIT, "", None, "refused"),
        ("pharmacist", A.READ, "MedicationRequest", None, None),
        ("pharmacist", A.CREATE, "MedicationDispense", None, None),
        ("pharmacist", A.READ, "Observation", None, "refused"),
        ("pharmacist", A.DELETE, "MedicationDispense", None, "refused"),
        # Who runs the node, and who checks it.
        ("operator", A.LOAD, "", None, None),
        ("operator", A.EXPORT, "", None, None),
        ("operator", A.OPEN_QUARANTINE, "", None, None),
        ("operator", A.LOAD, "AuditEvent", None, "refused"),
        ("operator", A.AUDIT, "", None, "refused"),
        ("auditor", A.AUDIT, "", None, None),
        ("auditor", A.READ, "Observation", None, "refused"),
    ],
)
def test_decisions_by_role(caller, role, action, kind, named, opens):
    who = caller(Role(role), patient="ana" if role == "citizen" else None)
    decision = decide(who, AccessRequest(action, kind, "x", named))
    assert (decision.patients if decision.permitted else "refused") == opens
    assert decision.rule


@pytest.mark.parametrize(
    ("role", "purpose"),
    [("clinician", "PATRQT"), ("clinician", "HRESCH"), ("citizen", "TREAT"), ("operator", "TREAT")],
)
def test_another_purpose_is_refused(caller, role, purpose):
    who = caller(Role(role), purpose=Purpose(purpose), patient="ana")
    assert not decide(who, AccessRequest(A.READ, "Observation", "x")).permitted


@pytest.mark.parametrize(
    ("role", "action", "kind", "permitted"),
    [
        ("clinician", A.READ, "Condition", True),
        ("clinician", A.CREATE, "Condition", False),
        ("pharmacist", A.CREATE, "MedicationDispense", True),
        ("operator", A.READ, "Condition", False),
        ("node", A.SEARCH, "DocumentReference", True),
        ("node", A.DELETE, "DocumentReference", False),
    ],
)
def test_callers_from_abroad_may_less(caller, role, action, kind, permitted):
    who = caller(Role(role), node="EE")
    assert decide(who, AccessRequest(action, kind, "x")).permitted is permitted


def test_a_citizen_without_a_record_here_is_refused(caller):
    who = caller(Role.CITIZEN, patient=None)
    assert not decide(who, AccessRequest(A.READ, "Observation", "x")).permitted


def test_a_citizen_deletes_one_entry_not_many(caller):
    who = caller(Role.CITIZEN, patient="ana")
    assert decide(who, AccessRequest(A.DELETE, "Observation", "x")).permitted
    assert not decide(who, AccessRequest(A.DELETE, "Observation", "x", many=True)).permitted


@pytest.mark.parametrize(
    ("scopes", "action", "kind", "opens"),
    [
        (("patient/Observation.rs",), A.READ, "Observation", OWN),
        (("patient/Observation.rs",), A.SEARCH, "Observation", OWN),
        (("patient/Observation.rs",), A.CREATE, "Observation", "refused"),
        (("patient/Observation.rs",), A.READ, "Condition", "refused"),
        (("patient/*.read",), A.SEARCH, "Condition", OWN),
        (("patient/*.write",), A.READ, "Condition", "refused"),
        (("patient/*.*",), A.DELETE, "Condition", OWN),
        (("system/*.rs",), A.SEARCH, "Condition", None),
        (("system/*.rs",), A.EXPORT, "", None),
        (("system/Condition.rs",), A.EXPORT, "", "refused"),
        (("patient/Observation.sr",), A.READ, "Observation", "refused"),
        (("patient/Observation.rs?category=laboratory",), A.READ, "Observation", "refused"),
        (("openid", "launch/patient"), A.READ, "Observation", "refused"),
        ((), A.READ, "Observation", "refused"),
    ],
)
def test_an_app_gets_what_its_scopes_say(caller, scopes, action, kind, opens):
    who = caller(Role.APP, purpose=Purpose.PATIENT_REQUEST, patient="ana", scopes=scopes)
    decision = decide(who, AccessRequest(action, kind, "x"))
    assert (decision.patients if decision.permitted else "refused") == opens


@pytest.mark.parametrize("kind", sorted(definitions()))
def test_no_scope_lets_an_app_write_a_definition(caller, kind):
    app = caller(Role.APP, purpose=Purpose.OPERATIONS, scopes=("system/*.cruds",))
    for action in (A.CREATE, A.UPDATE, A.DELETE):
        assert not decide(app, AccessRequest(action, kind, "x")).permitted


def test_scopes_narrow_a_clinician_and_never_widen_a_citizen(caller):
    request = AccessRequest(A.READ, "Condition", "x")
    assert not decide(caller(scopes=("user/Observation.rs",)), request).permitted
    assert decide(caller(scopes=("user/Condition.rs",)), request).patients is None
    citizen = caller(Role.CITIZEN, patient="ana", scopes=("system/*.cruds",))
    assert decide(citizen, request).patients == OWN


def test_every_rule_has_its_own_id():
    names = [rule.id for rule in rules()]
    assert len(names) == len(set(names))


LAB = (("category", "laboratory"),)


@pytest.mark.parametrize(
    ("scopes", "action", "narrowing"),
    [
        (("patient/Observation.rs?category=laboratory",), A.READ, (LAB,)),
        (("patient/Observation.rs?category=laboratory",), A.SEARCH, (LAB,)),
        (("patient/Observation.r?category=laboratory", "patient/Observation.s"), A.READ, (LAB,)),
        (("patient/Observation.rs?category=laboratory", "patient/Observation.rs"), A.READ, ()),
        (("patient/Observation.rs?category=laboratory", "patient/*.rs"), A.READ, ()),
        (("patient/Observation.rs?category=laboratory",), A.CREATE, None),
        (("patient/Observation.cruds?category=laboratory",), A.READ, None),  # a query narrows no writing
    ],
)
def test_a_scope_with_a_query_narrows_what_the_store_answers(caller, scopes, action, narrowing):
    who = caller(Role.CITIZEN, patient="ana", scopes=scopes)
    decision = decide(who, AccessRequest(action, "Observation", "x", narrows=True))
    assert decision.permitted == (narrowing is not None)
    if narrowing is not None:
        assert dict(decision.narrowed).get("Observation", ()) == narrowing
        assert (decision.types is None or "Observation" in decision.types) == (narrowing == ())


def test_a_door_that_does_not_narrow_gives_nothing_for_a_scope_with_a_query(caller):
    who = caller(Role.CITIZEN, patient="ana", scopes=("patient/Observation.rs?category=laboratory",))
    assert decide(who, AccessRequest(A.READ, "Observation", "x")).rule == "scope-narrows-by-a-query"


@pytest.mark.parametrize("word", ["restriction", "rectification", "exchange-opt-out", "transmission"])
def test_no_scope_permits_what_is_no_resource(caller, word):
    who = caller(Role.CITIZEN, patient="ana", scopes=("patient/*.cruds", "user/*.cruds"))
    assert not decide(who, AccessRequest(A.UPDATE, word, "x")).permitted
    assert not decide(who, AccessRequest(A.READ, word, "x")).permitted
