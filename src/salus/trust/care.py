"""Who is in whose care at this node, and what a professional meets who treats nobody there (EHDS 11(1)).

How a relationship is known is the node's to say (`settings.treatment_relationship`): whoever is on duty at
the node treats its patients; or an entry of the record, the on-call rota or the patient with them says so,
and without one a reason is stated and marked; or without one nothing opens but an emergency. What entries say
is remembered for a minute, what was shown or stated holds in every process as it commits (`store.standing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from salus.core.access import Action, Caller, Role
from salus.core.identifiers import is_fhir_id
from salus.store.postgres import Database
from salus.store.standing import Standing
from salus.store.treatment import Parties, parties_of, shown_to, ties_to
from salus.trust.facts import Facts, Relationship
from salus.trust.policy import AccessRequest

KEPT = timedelta(minutes=1)
REMEMBERED_MAX = 20_000
TREATING = frozenset({Role.CLINICIAN, Role.PHARMACIST, Role.EMERGENCY})
"""Roles that act on the record of somebody they treat."""
LOOKUP, TREATMENT = "lookup", "treatment"
"""The policy's words for finding the patient in front of one, and for stating that one treats them."""
_BEFORE = frozenset({LOOKUP, TREATMENT, "emergency", "app-consent"})
"""Words of ours for what comes before any look at the record."""


class Known(StrEnum):
    """How a treatment relationship is known at a node."""

    ORGANISATION = "organisation"
    DECLARED = "declared"
    REQUIRED = "required"


class Care:
    """What is known of who treats whom. Belongs to one event loop."""

    def __init__(
        self, known: Known, database: Database, standing: Standing, *, key: bytes, stated_max: int
    ) -> None:
        """Take how it is known, where from, the node's secret of search hashes, and how many patients a
        professional may only state to treat on one day.
        """
        self.known = known
        self.stated_max = stated_max
        self._database = database
        self._standing = standing
        self._key = key
        self._parties: dict[tuple[str, str], tuple[Parties, datetime]] = {}
        self._ties: dict[tuple[str, str, str], tuple[Relationship, datetime]] = {}
        self._listed: dict[tuple[str, str], tuple[frozenset[str], datetime]] = {}

    async def facts(self, caller: Caller, request: AccessRequest, facts: Facts, now: datetime) -> Facts:
        """Return the facts of a professional's request with what ties them to those it is about."""
        if (
            caller.node is not None
            or caller.role not in TREATING
            or request.type in _BEFORE
            or facts.emergency_reason is not None
        ):
            return facts
        if not request.patients:
            return await self._of_nobody_named(caller, facts, now)
        if request.action is Action.CREATE and request.type == "Patient":
            return facts  # somebody new, under a fresh id
        named = request.patients | ({caller.patient} if caller.patient else set())
        here = {patient for patient in named if is_fhir_id(patient)}
        if not here:
            return facts  # of another node, which decides itself
        return await self._of_named(caller, here, facts, now)

    async def _of_nobody_named(self, caller: Caller, facts: Facts, now: datetime) -> Facts:
        """Return the facts of a request that opens whoever is in care; a token's own patient may be."""
        own = caller.patient or ""
        tie = await self.tie(caller, own, now) if own else Relationship.NONE
        if tie is Relationship.STATED:
            return msgspec.structs.replace(facts, relationship=tie, is_proven=False, in_care=frozenset({own}))
        beside = frozenset({own}) if tie is not Relationship.NONE else frozenset()
        return msgspec.structs.replace(facts, in_care=await self.listed(caller, now) | beside)

    async def _of_named(self, caller: Caller, named: Iterable[str], facts: Facts, now: datetime) -> Facts:
        found = {patient: await self.tie(caller, patient, now) for patient in sorted(named)}
        tied = {patient: tie for patient, tie in found.items() if tie is not Relationship.NONE}
        if not tied:
            return msgspec.structs.replace(facts, relationship=Relationship.NONE)
        proven = not any(tie is Relationship.STATED for tie in tied.values())
        facts = msgspec.structs.replace(
            facts, relationship=max(tied.values(), key=_ORDER.index), is_proven=facts.is_proven and proven
        )
        return facts if len(tied) == len(found) else msgspec.structs.replace(facts, in_care=frozenset(tied))

    async def tie(self, caller: Caller, patient: str, now: datetime) -> Relationship:
        """Return what ties the professional to the patient: shown, by an entry, only stated, or nothing."""
        person = self._standing.persons.get(patient)
        shown = person.presences.get(("", caller.subject)) if person else None
        if shown is not None and now < shown:
            return Relationship.OWN
        tie = await self._by_entries(caller, patient, now)
        stated = person.stated.get(caller.subject) if person else None
        if tie is Relationship.NONE and stated is not None and now < stated:
            return Relationship.STATED
        return tie

    async def _by_entries(self, caller: Caller, patient: str, now: datetime) -> Relationship:
        whose = (caller.subject, caller.organisation, patient)
        known = self._ties.get(whose)
        if known is not None and now < known[1]:
            return known[0]
        parties = await self._parties_of(caller, now)
        found = await ties_to(self._database, self._key, parties, now, patient)
        tie = Relationship(found.get(patient, Relationship.NONE))
        if len(self._ties) >= REMEMBERED_MAX:
            self._ties.clear()
        self._ties[whose] = tie, now + KEPT
        return tie

    async def listed(self, caller: Caller, now: datetime) -> frozenset[str]:
        """Return who is in the professional's care, for a request that names nobody.

        Whom they only stated to treat is not among them: that patient is asked for by name.
        """
        whose = (caller.subject, caller.organisation)
        known = self._listed.get(whose)
        if known is not None and now < known[1]:
            return known[0]
        found = await ties_to(self._database, self._key, await self._parties_of(caller, now), now)
        listed = frozenset(found) | await shown_to(self._database, caller.subject, now)
        if len(self._listed) >= REMEMBERED_MAX // 10:
            self._listed.clear()
        self._listed[whose] = listed, now + KEPT
        return listed

    async def _parties_of(self, caller: Caller, now: datetime) -> Parties:
        whose = (caller.subject, caller.organisation)
        known = self._parties.get(whose)
        if known is None or now >= known[1]:
            found = await parties_of(self._database, self._key, *whose, now)
            if len(self._parties) >= REMEMBERED_MAX:
                self._parties.clear()
            known = self._parties[whose] = found, now + KEPT
        return known[0]

    def forget(self, subject: str) -> None:
        """Forget who is listed as in a professional's care: something was shown or has ended."""
        self._listed = {whose: held for whose, held in self._listed.items() if whose[0] != subject}


_ORDER = (Relationship.OWN, Relationship.TEAM, Relationship.ROTA, Relationship.STATED)
