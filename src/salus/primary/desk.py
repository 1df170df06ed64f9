"""The desk from which a professional of this node asks abroad, and the door that only they pass.

The other node believes what this one says of the asker. So this node speaks for those whom it knows itself:
never for somebody whom a third node vouches for, never on a token that is confined to a patient, and never
for a system that states no professional.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from salus.core.access import Action, Caller, Leaf, Outcome, Role
from salus.core.errors import AccessRefused, MalformedContent
from salus.core.identifiers import is_fhir_id
from salus.federation.peers import Peers
from salus.federation.witnessing import Witnesses, require_witnessed
from salus.store.postgres import Database
from salus.trust.care import LOOKUP
from salus.trust.facts import ORDINARY, Facts
from salus.trust.gate import Access, Gatehouse, enter
from salus.trust.policy import AccessRequest
from salus.trust.scopes import parse_scope

PROFESSIONALS = frozenset({Role.CLINICIAN, Role.PHARMACIST, Role.EMERGENCY})
_AT_HOME = Facts(emergency_reason="stated to the patient's home, which weighs it")
EVERYBODY_CONTEXTS = frozenset({"system", "user"})
ADVICE = {
    "speaks-for-own-professionals-only": "ask your own node: this one speaks for its own professionals",
    "asks-abroad-as-a-professional": "only a clinician, a pharmacist or an emergency service of this node "
    "asks abroad",
    "token-is-for-one-record": "this token is for one record here or for an app, and opens nothing abroad",
    "patient-is-of-this-node": "the patient is of this node; ask at /fhir",
}


class Desk(msgspec.Struct, frozen=True):
    """From where one asks abroad: the caller, the node's gate, its way to other nodes, its database.

    `search_key` is the node's secret for search hashes, for what it keeps itself; `witnesses` say whether
    anybody vouches for its audit.
    """

    caller: Caller
    gatehouse: Gatehouse
    peers: Peers
    database: Database
    search_key: bytes
    witnesses: Witnesses


@asynccontextmanager
async def leave(
    desk: Desk, action: Action, kind: str, what: str, *, node: str = "", identity: str = ""
) -> AsyncIterator[Access]:
    """Pass this node's gate on the way to another; what is refused is written down.

    Args:
        desk: who asks.
        action: what is to be done there.
        kind: the resource type.
        what: what the leaf says, without values.
        node: the patient's home, "" while nobody is named.
        identity: the patient's logical id there.

    Raises:
        AccessRefused: the caller may not, here, or nobody vouches for this node's audit; nothing was sent.
        MalformedContent: the id is none.
    """
    here = f"{node}:{identity}" if is_fhir_id(node) and is_fhir_id(identity) else ""
    rule = why_not(desk.caller) or ("patient-is-of-this-node" if node == desk.peers.node else "")
    if rule:
        await desk.gatehouse.journal.write([_refused(desk, action, what[:200], here, rule)])
        raise AccessRefused(f"Not permitted: {ADVICE[rule]} (rule {rule}).")
    await require_witnessed(desk.witnesses, desk.caller.purpose)
    if node and not here:
        raise MalformedContent("Name the patient by node and id as /abroad/patients answered them.")
    named = frozenset((here,)) if here else None
    rescues = desk.caller.role is Role.EMERGENCY  # may nothing here but in an emergency
    asked = AccessRequest(action, LOOKUP if rescues and not node else kind, what, named)
    facts = _AT_HOME if rescues and node else ORDINARY
    async with enter(desk.gatehouse, desk.caller, asked, facts) as access:
        yield access


def why_not(caller: Caller) -> str:
    """Return the rule by which this node does not speak abroad for the caller, "" when it does."""
    if caller.node is not None:
        return "speaks-for-own-professionals-only"
    if caller.role not in PROFESSIONALS:
        return "asks-abroad-as-a-professional"
    scopes = [parse_scope(text) for text in caller.scopes]
    wide = all(scope is not None and scope.context in EVERYBODY_CONTEXTS for scope in scopes)
    return "" if caller.patient is None and wide and not caller.app else "token-is-for-one-record"


def _refused(desk: Desk, action: Action, what: str, patient: str, rule: str) -> Leaf:
    caller = desk.caller
    return Leaf(
        at=desk.gatehouse.clock(), request=desk.gatehouse.new_request(), patient=patient,
        subject=caller.subject, name=caller.name, role=caller.role.value, organisation=caller.organisation,
        node=caller.node or "", purpose=caller.purpose.value, action=action.value, what=what, resources=0,
        outcome=Outcome.REFUSED, rule=rule,
    )  # fmt: skip
