"""The only door to personal data: decide, let through, write down.

Nobody else makes a `Grant`. A read's leaves are durable before its answer leaves; a write's leaves are in the
data's own transaction (`store.resources.apply`); a refusal and a failure are leaves too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from types import TracebackType

import msgspec

from salus.core.access import READS, Action, Caller, Grant, Leaf, Outcome, Purpose
from salus.core.clock import Clock
from salus.core.errors import AccessRefused, NotFound, NotSureEnough
from salus.core.identifiers import new_request_id
from salus.store.journal import Journal
from salus.store.ledger import leaf_of
from salus.trust.audiences import audiences_of
from salus.trust.circumstances import needed_assurance
from salus.trust.facts import ORDINARY, Facts
from salus.trust.jurisdictions.law import NEUTRAL, Jurisdiction, jurisdiction_of
from salus.trust.policy import AccessRequest, Decision, Obligation, decide
from salus.trust.refusing import WEAK, refusal

KEPT = frozenset(
    {
        Obligation.LOG,
        Obligation.SHOWN_IN_ACCESS_LOG,
        Obligation.AUTHOR_RECORDED,
        Obligation.MARK_ENTERED_BY_CITIZEN,
        Obligation.MARK_UNPROVEN,
        Obligation.MARK_ASSISTED,
        Obligation.MARK_CUT_OFF,
        Obligation.INFORM_CITIZEN,
        Obligation.REVIEW_AFTER,
        Obligation.CONTROLLER_ANSWERS,
    }
)
"""What every node keeps by itself: leaves and their marks are written here, notices with the leaves, authors
with the data; what is to be looked at again was written down before it was opened (`store.emergencies`), and
a request to the controller waits with its time until it is answered (`store.rectifications`)."""
MARKS = {
    Obligation.MARK_UNPROVEN: "unproven",
    Obligation.MARK_ASSISTED: "assisted",
    Obligation.MARK_CUT_OFF: "cut-off",
    Obligation.REVIEW_AFTER: "emergency",
}
OPTED_OUT = "opted-out"
_LOOKS = frozenset({Action.READ, Action.SEARCH, Action.HISTORY, Action.CHANGES})
Knows = Callable[[Caller, AccessRequest], Awaitable[Facts]]


class Gatehouse(msgspec.Struct, frozen=True):
    """What the gate needs.

    Args:
        journal: where leaves are written.
        clock: what time it is.
        new_request: a maker of request ids.
        law: of the node's country.
        keeps: obligations that somebody has promised to keep; what owes another is refused.
        knows: tells what a decision needs to know besides (`trust.standing`); without, nothing is known.
        country: of this node, ISO 3166-1 alpha-2.
        country_of: that of a member node; "" for one that is not known.
    """

    journal: Journal
    clock: Clock
    new_request: Callable[[], str] = new_request_id
    law: Jurisdiction = msgspec.field(default_factory=lambda: jurisdiction_of(NEUTRAL))
    keeps: frozenset[Obligation] = KEPT
    knows: Knows | None = None
    country: str = ""
    country_of: Callable[[str], str] = lambda _node: ""

    def decide(self, caller: Caller, request: AccessRequest, facts: Facts) -> Decision:
        """Return the policy's decision; a permission whose obligations nobody keeps is a refusal."""
        decision = decide(caller, request, facts, self.law)
        if decision.obligations <= self.keeps:
            return decision
        return Decision(False, "obligation-that-nobody-keeps")


class Access:
    """A request that was let in. `grant` opens the store; `record` says whose data leaves."""

    __slots__ = (
        "_concerned", "_counts", "_durable", "_facts", "_gatehouse", "_lists", "_settled", "grant", "what",
    )  # fmt: skip

    def __init__(self, gatehouse: Gatehouse, grant: Grant, what: str, facts: Facts, *, lists: bool) -> None:
        self._gatehouse = gatehouse
        self._facts = facts
        self._lists = lists
        self._counts: dict[tuple[str, str, Action], int] = {}
        self._concerned: set[str] = set()
        self._settled = False
        self._durable: asyncio.Future[None] | None = None
        self.grant = grant
        self.what = what

    def record(
        self,
        patients: Iterable[str],
        what: str | None = None,
        count: int = 1,
        *,
        action: Action | None = None,
    ) -> None:
        """Note that `count` resources of each of the patients leave; () for one about no patient.

        `action` is what was done where that is not what the gate was asked: a create that finds is a read.
        """
        name, did = what or self.what, action or self.grant.action
        for patient in tuple(patients) or ("",):
            key = (patient, name, did)
            self._counts[key] = self._counts.get(key, 0) + count

    def include(self, merged: frozenset[str]) -> None:
        """Open also the records that were merged into those that are open (`store.merged`)."""
        if self.grant.patients is not None and merged:
            self.grant = msgspec.structs.replace(self.grant, patients=self.grant.patients | merged)

    def cross(self) -> str:
        """Return the id under which another node that is asked now writes this access down too."""
        self.grant = msgspec.structs.replace(self.grant, asked=self.grant.request)
        return self.grant.request

    def concern(self, patients: Iterable[str]) -> None:
        """Note patients whom the request names, or whose data decides its answer, though nothing leaves.

        Each gets a leaf, also when the request fails. A grant over named patients names none but these; one
        over all who are in the caller's care was given to a request that may name others.
        """
        if self.grant.patients is None or self._lists:
            self._concerned.update(patients)

    def require(self, action: Action, resource_type: str) -> None:
        """Decide one entry of a Bundle that was let in as a whole.

        Raises:
            AccessRefused: the policy does not permit it, or only for fewer patients than the grant opens.
            NotFound: it is not permitted, and must look absent.
        """
        request = AccessRequest(action, resource_type, self.what, self.grant.patients)
        facts = self._facts
        if facts.in_care is not None:
            # The grant's patients are of those already, and of records merged with them.
            facts = msgspec.structs.replace(facts, in_care=None)
        decision = self._gatehouse.decide(self.grant.caller, request, facts)
        within = decision.patients is None or (
            self.grant.patients is not None and self.grant.patients <= decision.patients
        )
        if not (decision.permitted and within):
            raise _refused(self.grant.caller, request, decision, self.grant.request, self._gatehouse.law)

    async def settle(self) -> None:
        """Make what was recorded so far durable now: for an answer that leaves in pieces."""
        leaves = self._take()
        if leaves:
            self._settled = True
            await self._gatehouse.journal.write(leaves)

    async def begin(self) -> None:
        """Send off the leaves of what was recorded, once, so that they are written while the answer is made.

        The way out still waits until they are durable.
        """
        leaves = self._closing()
        self._settled = True
        if leaves:
            self._durable = self._gatehouse.journal.begin(leaves)
            await asyncio.sleep(0)  # the journal's turn

    def _take(self) -> list[Leaf]:
        counts, self._counts = self._counts, {}
        if self._concerned:
            self._concerned.difference_update(patient for patient, _, _ in counts)
        return [
            leaf_of(self._doing(action), patient, what=what, resources=count, outcome=Outcome.SERVED)
            for (patient, what, action), count in counts.items()
        ]

    def _doing(self, action: Action) -> Grant:
        grant = self.grant
        return grant if action is grant.action else msgspec.structs.replace(grant, action=action)

    def _closing(self) -> list[Leaf]:
        """Return the leaves to write on leaving: a read that found nothing is an access as well."""
        leaves = self._take()
        if self._concerned:
            leaves += self._empty(Outcome.SERVED)
            self._concerned.clear()
        if not leaves and not self._settled and self.grant.action in READS:
            return self._empty(Outcome.SERVED)
        return leaves

    def _empty(self, outcome: Outcome) -> list[Leaf]:
        named = frozenset() if self._lists else self.grant.patients
        patients = sorted(named or self._concerned) or [""]
        return [
            leaf_of(self.grant, patient, what=self.what, resources=0, outcome=outcome) for patient in patients
        ]


class Passage:
    """The context manager of `enter`."""

    __slots__ = ("_access", "_caller", "_facts", "_gatehouse", "_request")

    def __init__(self, gatehouse: Gatehouse, caller: Caller, request: AccessRequest, facts: Facts) -> None:
        self._gatehouse = gatehouse
        self._caller = caller
        self._request = request
        self._facts = facts
        self._access: Access | None = None

    async def __aenter__(self) -> Access:
        knows, request = self._gatehouse.knows, self._request
        if knows is not None and self._facts is ORDINARY:
            self._facts = await knows(self._caller, request)
        decision = self._gatehouse.decide(self._caller, request, self._facts)
        grant = self._grant(decision)
        own = frozenset({self._caller.patient or ""})
        lists = self._facts.in_care is not None and not request.patients and grant.patients != own
        access = Access(self._gatehouse, grant, request.what, self._facts, lists=lists)
        if not decision.permitted:
            named = sorted(self._request.patients or ()) or [""]
            await self._gatehouse.journal.write(
                [
                    leaf_of(grant, patient, what=access.what, resources=0, outcome=Outcome.REFUSED)
                    for patient in named
                ]
            )
            if decision.absent and request.action in _LOOKS and (request.patients or self._caller.patient):
                # The store answers as it does for whom it does not know: the grant opens nobody, of any type.
                access.grant = msgspec.structs.replace(grant, types=None)
                access._settled = True
                self._access = access
                return access
            raise _refused(self._caller, self._request, decision, grant.request, self._gatehouse.law)
        self._access = access
        return access

    def _grant(self, decision: Decision) -> Grant:
        # A refused request gets a grant over nobody: it only names the leaf's content.
        gatehouse, caller = self._gatehouse, self._caller
        country = gatehouse.country if caller.node is None else gatehouse.country_of(caller.node)
        return Grant(
            request=gatehouse.new_request(),
            caller=caller,
            action=self._request.action,
            patients=decision.patients if decision.permitted else frozenset(),
            rule=decision.rule,
            opened_at=gatehouse.clock(),
            types=decision.types,
            narrowed=decision.narrowed,
            marks=_marks(decision.obligations, self._facts.is_veiled_whole) if decision.permitted else (),
            audiences=audiences_of(
                caller,
                decision,
                gatehouse.law,
                "" if caller.node is None else country,
                waits=bool(gatehouse.law.results_delay_hours.value) and not self._facts.wants_results_now,
            ),
            country=country,
            delays=() if caller.purpose is Purpose.PATIENT_REQUEST else gatehouse.law.delays,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        access = self._access
        assert access is not None
        journal = self._gatehouse.journal
        if kind is None:
            leaves = access._closing()
            if leaves:
                await journal.write(leaves)
            if access._durable is not None:
                await access._durable
        elif issubclass(kind, asyncio.CancelledError | GeneratorExit):
            if access._durable is not None:
                access._durable.cancel()  # its leaves are written all the same; nobody waits for them
            journal.post(access._empty(Outcome.FAILED))
        else:
            # The store refuses too: a type on the way that the grant does not open.
            refused = issubclass(kind, AccessRefused)
            if access._durable is not None:
                await access._durable
            await journal.write(access._empty(Outcome.REFUSED if refused else Outcome.FAILED))


@lru_cache(maxsize=64)
def _marks(obligations: frozenset[Obligation], veiled: bool) -> tuple[str, ...]:
    """Return what the leaves say besides; that all was hidden is for the citizen to know, and nobody else."""
    return tuple(
        sorted([*(MARKS[each] for each in obligations & MARKS.keys()), *([OPTED_OUT] if veiled else [])])
    )


def _refused(
    caller: Caller, request: AccessRequest, decision: Decision, request_id: str, law: Jurisdiction
) -> AccessRefused | NotFound:
    """Return the error of a refusal: the store's own for what is not there, where it must look absent."""
    if decision.absent:
        return NotFound(f"There is no {request.what} that this access may see.")
    message = refusal(caller, request, decision, request_id, law)
    if decision.rule == WEAK:
        return NotSureEnough(message, needed_assurance(caller, request.type, law).value)
    return AccessRefused(message)


def enter(gatehouse: Gatehouse, caller: Caller, request: AccessRequest, facts: Facts = ORDINARY) -> Passage:
    """Return the way in, as an async context manager that yields an `Access`.

    Raises:
        AccessRefused: on entering; the refusal is written down first.
        NotFound: on entering, for a refusal that must look absent; written down as well.
        StorageUnavailable: on entering or leaving, when the audit cannot be written: do not answer with data.
    """
    return Passage(gatehouse, caller, request, facts)
