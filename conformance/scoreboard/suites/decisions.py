"""Who may do what, and why: permit or deny, what is owed besides, what looks absent.

The words of the table are turned into the policy's (`decision_words.toml`), a stated consent into a FHIR
Consent, and the gate's own functions decide. A jurisdiction offers what the case says it offers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from conformance.scoreboard.suite import Case, Suite
from conformance.scoreboard.vectors import level_apart, objects
from salus.core.access import Action, Assurance, Caller, Purpose, Role
from salus.trust.consent.provisions import provisions_of
from salus.trust.consent.voice import Asked, Item, voice_of
from salus.trust.facts import Environment, Facts, Relationship, Restriction, Voice
from salus.trust.jurisdictions.law import Jurisdiction, jurisdiction_of
from salus.trust.policy import AccessRequest, Decision, decide, refuse_purpose

Table = dict[str, Any]
_DAYS = {"yesterday": "2026-11-23", "today": "2026-11-24", "tomorrow": "2026-11-25"}
_NOW = 1_795_500_000.0
_PERSON = "ana"
_RESTRICTIONS = {
    "all": Restriction.REACHES,
    "part-requested": Restriction.REACHES,
    "another-part": Restriction.ELSEWHERE,
}


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    roles: dict[str, Role]
    relationships: dict[str, Relationship]
    purposes: dict[str, Purpose]
    categories: dict[str, str]
    actions: dict[str, list[str]]


@cache
def _words() -> _Words:
    path = Path(__file__).parents[1] / "decision_words.toml"
    return msgspec.toml.decode(path.read_bytes(), type=_Words)


def _recognises(folder: Path) -> bool:
    return "decision" in folder.name and any(objects(folder, "actor", "purpose", "action", "decision"))


def _type(case: Table) -> str:
    category: str = case["data"]["category"]
    return _words().categories.get(category, category)


def _codings(consent: Table, name: str) -> list[Table]:
    listed = consent.get(name, [])
    return [{"code": each} for each in ([listed] if isinstance(listed, str) else listed)]


def _consent(stated: Table) -> Table:
    """Return the FHIR Consent that a case states in short."""
    provision: Table = {"type": stated.get("type", "permit"), "purpose": _codings(stated, "purpose")}
    categories = [each["code"] for each in _codings(stated, "category")]
    provision["class"] = [{"code": _words().categories.get(each, each)} for each in categories]
    if "actor" in stated:
        provision["actor"] = [{"reference": {"reference": stated["actor"]}}]
    ends = {
        side: _DAYS.get(stated[name], stated[name])
        for side, name in (("start", "period_start"), ("end", "period_end"))
        if name in stated
    }
    if ends:
        provision["period"] = ends
    return {"resourceType": "Consent", "status": stated.get("status", "active"), "provision": provision}


def _voice(case: Table) -> Voice:
    stated = case["consent"]
    if not isinstance(stated, dict) or "status" not in stated:
        return Voice.NONE
    kind = _type(case)
    asked = Asked(
        purpose=case["purpose"],
        actors=frozenset({"this-app", "this-organisation", "this-professional"}),
        at=_NOW,
        item=Item(f"{kind}/1", classes=frozenset({kind})),
    )
    return voice_of(provisions_of([_consent(stated)]), asked)


def _mandate(case: Table, kind: str) -> frozenset[str] | None:
    if "proxy_scope" in case:
        return frozenset(_words().categories.get(each, each) for each in case["proxy_scope"])
    if case["data"]["category"].endswith("not-in-permit"):
        return frozenset()
    return None


def _facts(case: Table, role: Role, kind: str) -> Facts:
    actor = case["actor"]
    consent = case["consent"] if isinstance(case["consent"], dict) else {}
    emergency = case["emergency"] or {}
    relationship = _words().relationships.get(actor["relationship"], Relationship.NONE)
    if actor["role"] not in _words().roles:
        relationship = Relationship.NONE
    return Facts(
        relationship=relationship,
        has_session=case.get("session", "valid") == "valid",
        voice=_voice(case),
        restriction=_RESTRICTIONS.get(case["data"]["restricted_by_citizen"], Restriction.NONE),
        emergency_reason=(emergency.get("reason") or "") if emergency.get("claimed") else None,
        is_opted_out_of_exchange=bool(consent.get("primary_opt_out") or consent.get("exchange_opt_out")),
        is_opted_out_of_secondary_use=bool(consent.get("secondary_opt_out")),
        mandate=_mandate(case, kind),
        has_permit=actor["relationship"] == "permit-holder",
        environment=Environment.OUTSIDE if case.get("environment") == "outside" else Environment.SECURE,
        is_output_checked=case.get("output_check") == "passed",
        is_own_entry=case.get("author", "self") in ("self", "own"),
    )


def _law(case: Table) -> Jurisdiction:
    law = jurisdiction_of("EU")
    offered = msgspec.structs.replace(
        law.exchange_opt_out_offered, value=bool(case.get("opt_out_right_in_state", True))
    )
    return msgspec.structs.replace(law, exchange_opt_out_offered=offered)


def _caller(case: Table, role: Role, purpose: Purpose, facts: Facts) -> Caller:
    abroad = case["origin"] != "national" and role not in (Role.CITIZEN, Role.PROXY)
    return Caller(
        subject="asker",
        name="Asker",
        role=role,
        organisation="this-organisation",
        issuer="https://node.test",
        purpose=purpose,
        patient=_PERSON,
        scopes=("patient/*.cruds",) if role is Role.APP else (),
        node="abroad" if abroad else None,
        assurance=Assurance(case["actor"].get("assurance", "substantial")),
    )


def _decide(case: Table) -> Decision:
    words = _words()
    role = words.roles.get(case["actor"]["role"], Role.CITIZEN)
    action, *about = words.actions[case["action"]]
    kind = about[0] if about else _type(case)
    if case["data"]["category"].startswith("dataset") and not about:
        kind = "dataset"
    facts = _facts(case, role, kind)
    purpose = words.purposes.get(case["purpose"])
    if purpose is None:
        return refuse_purpose(facts)
    request = AccessRequest(Action(action), kind, "x", frozenset({_PERSON}))
    return decide(_caller(case, role, purpose, facts), request, facts, _law(case))


def _judge(case: Table) -> str:
    if case["action"] not in _words().actions:
        return "" if case["decision"] == "deny" else f"no such action: {case['action']}"
    found = _decide(case)
    if found.permitted != (case["decision"] == "permit"):
        return f"expected {case['decision']}, decided by {found.rule}"
    if not found.permitted and found.absent != case.get("answer_as_absent", False):
        return f"looks absent: {found.absent}, decided by {found.rule}"
    missing = set(case.get("obligations", ())) - found.obligations
    return f"owes not {sorted(missing)}" if missing else ""


def _play(folder: Path) -> Iterator[Case]:
    for name, case in objects(folder, "actor", "purpose", "action", "decision"):
        try:
            failure = _judge(case)
        except (KeyError, TypeError, ValueError) as error:
            failure = f"the case cannot be read: {error!r}"
        yield Case(f"{name} {case.get('reason', '')}".strip(), failure, level_apart(case))


SUITE = Suite("decisions", _recognises, _play)
