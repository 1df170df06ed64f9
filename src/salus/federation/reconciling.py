"""Do two nodes say the same of accesses across their border? (EHDS article 9)

The home node asks the node abroad, in a request that it signs with its federation key, what that one has
written down about one of its patients; it alone is answered, since it alone is that patient's home. Each
access of either must have one at the other, by the same person, for the same purpose, at about the same time,
and with the same id of the request. Leaves of earlier releases have no id, and are compared by the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
from joserfc.jwk import ECKey

from salus.core.access import READS, Leaf, Outcome
from salus.core.errors import MalformedContent, PeerUnavailable
from salus.core.identifiers import is_fhir_id
from salus.federation.membership import Membership
from salus.federation.membership_list import Member
from salus.federation.signed_calls import read_call, sign_call
from salus.federation.witnessing import exchange
from salus.store.postgres import Database

PATH = "/ledger/reconcile"
TYPE = "salus-reconcile+jwt"
TOLD_MAX = 5_000
ANSWER_BYTES_MAX = 4_000_000
READ_WITHIN = timedelta(hours=1)
WRITTEN_WITHIN = timedelta(days=1)
"""A dispensation is handed over again until the home node has taken it."""


class Told(msgspec.Struct, frozen=True):
    """An access as a node has written it down: who, for what, when, what was done.

    Args:
        request: id of the request at the node that asked, "" for one of an earlier release.
        outcome: how it ended there.
    """

    at: datetime
    name: str
    organisation: str
    purpose: str
    action: str
    request: str = ""
    outcome: Outcome = Outcome.SERVED


class Answer(msgspec.Struct, frozen=True):
    """What the node abroad answers; `more`: it has older ones."""

    accesses: list[Told]
    more: bool = False


class Reconciled(msgspec.Struct, frozen=True):
    """What two nodes say of the accesses across their border.

    Args:
        node: the one abroad.
        agreed: accesses from there that it has written down too.
        only_here: accesses from there of which it has written down nothing.
        only_there: accesses that it has written down, and this node has not.
        silent: why it said nothing, "" when it did.
    """

    node: str
    agreed: int = 0
    only_here: list[Told] = []
    only_there: list[Told] = []
    silent: str = ""

    @property
    def is_agreed(self) -> bool:
        """Whether both nodes say the same."""
        return not (self.only_here or self.only_there or self.silent)


class Asked(msgspec.Struct, frozen=True):
    """A request whose signature holds: which node asks, about which of its patients."""

    node: str
    patient: str


def told_of(leaf: Leaf) -> Told:
    """Return a leaf as another node is told it."""
    return Told(
        leaf.at, leaf.name, leaf.organisation, leaf.purpose, leaf.action, leaf.asked, leaf.outcome
    )  # fmt: skip


def compare(node: str, here: Sequence[Leaf], there: Answer) -> Reconciled:
    """Compare a patient's accesses from a node with what that node has written down.

    Args:
        node: the one abroad.
        here: the home node's leaves of accesses from there.
        there: what that one says.
    """
    tried = [told_of(leaf) for leaf in here]
    ours = [each for each in tried if each.outcome is Outcome.SERVED]
    only_here = [each for each in ours if not _is_at(each, there.accesses)]
    if there.more:
        oldest = min((each.at for each in there.accesses), default=datetime.max.replace(tzinfo=UTC))
        only_here = [each for each in only_here if each.at >= oldest]
    served = [each for each in there.accesses if each.outcome is Outcome.SERVED]
    only_there = [each for each in served if not _is_at(each, tried)]
    return Reconciled(node, len(ours) - len(only_here), only_here, only_there)


def _is_at(access: Told, others: Sequence[Told]) -> bool:
    """Return whether the other node has the access; where one of the two has no id, a like one."""
    within = READ_WITHIN if access.action in READS else WRITTEN_WITHIN
    like = [
        other
        for other in others
        if (other.name, other.purpose) == (access.name, access.purpose)
        and abs(other.at - access.at) <= within
    ]
    if access.request and any(other.request == access.request for other in like):
        return True
    return any(not (access.request and other.request) for other in like)


async def ask_abroad(
    client: httpx.AsyncClient, member: Member, key: ECKey, node: str, patient: str, *, now: datetime
) -> Answer:
    """Ask a member what it has written down about a patient of this node.

    Args:
        client: for the call.
        member: whom.
        key: this node's federation key.
        node: this node's id.
        patient: the logical id here.
        now: the present.

    Raises:
        PeerUnavailable: it says nothing that can be read.
    """
    token = sign_call(
        key, node=node, kind=TYPE, audience=f"{member.base_url}{PATH}", now=now, claims={"patient": patient}
    )
    answer = await exchange(
        client, "POST", f"{member.base_url}{PATH}", content=token.encode(), bytes_max=ANSWER_BYTES_MAX
    )
    if answer.status_code != 200:
        raise PeerUnavailable(f"node {member.node} answered {answer.status_code}")
    try:
        return msgspec.json.decode(answer.content, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PeerUnavailable(f"node {member.node} answered nothing that can be read") from error


async def read_request(
    token: str, membership: Membership, database: Database, *, audience: str, now: datetime
) -> Asked:
    """Return who asks, about which patient of theirs.

    Raises:
        NotAuthenticated: no member signed it for this node, or it was used before, or it is too old.
        AccessRefused: the node that signed is no active member.
        Throttled: it asks too often.
        MalformedContent: it names no patient.
    """
    called = await read_call(token, membership, database, kind=TYPE, audience=audience, now=now)
    patient = called.claims.get("patient")
    if not isinstance(patient, str) or not is_fhir_id(patient):
        raise MalformedContent("patient must be the logical id at the node that asks")
    return Asked(called.member.node, patient)
