"""Who may act for whom (EHDS 4(2)): appointing, confirming, ending, disputing, each through the gate.

The represented appoint somebody who shows them a one-time code; for a child, or somebody who cannot, staff
confirm it with the proof they saw. Nobody becomes a proxy by a name and a birth date. A parent's power ends
by itself when the child is of age, and a child that the law lets decide may end it before. What a court gave
(a guardian's power) the represented may dispute: staff are told, and it stands until they have settled it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import MAXYEAR, UTC, date, datetime
from typing import Literal

import msgspec

from salus.core.access import Action, Caller, Grant, Purpose, Role
from salus.core.errors import AccessRefused, Conflict, InvalidSearch, NotFound
from salus.core.identifiers import is_fhir_id, new_id
from salus.standards.fhir.model import resource_types
from salus.store import proxies as store
from salus.store import resources
from salus.store.postgres import Database
from salus.store.presence import use_anybodys_code
from salus.store.proxies import Proxy
from salus.store.standing import Power
from salus.trust.emergencies import Ward
from salus.trust.facts import Relationship
from salus.trust.gate import Access, Passage, enter
from salus.trust.jurisdictions.law import Jurisdiction
from salus.trust.policy import AccessRequest
from salus.trust.presence import digest_of
from salus.trust.standing import relationship_of

TYPE = "proxy"
Kind = Literal["parent", "guardian", "carer", "executor"]
APPOINTED = frozenset({"carer", "executor"})
"""What somebody may appoint another to; a parent's and a guardian's power is not theirs to give."""
BY_A_COURT = frozenset({"guardian"})
"""What the represented may dispute and not end or suspend themselves."""
TEXT_MAX = 200
_TWO_PATIENTS = "Name two patients of this node by their logical ids."
_STAFF = frozenset({Role.DESK, Role.OPERATOR})


class Appointment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a citizen appoints.

    Args:
        code: one-time code that the other one made (`trust.presence`) and shows.
        name: of the other one, as the citizen knows them.
        kind: carer or executor.
        types: resource types that the power covers, none for all.
        ends_at: until when, none for until it is ended.
    """

    code: str
    name: str
    kind: Literal["carer", "executor"]
    types: tuple[str, ...] | None = None
    ends_at: datetime | None = None


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A power that staff confirm: logical ids of both, and the proof they saw (a document, not its copy)."""

    patient: str
    holder: str
    name: str
    kind: Kind
    proof: str
    types: tuple[str, ...] | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


async def appoint(ward: Ward, key: bytes, caller: Caller, asked: Appointment) -> Proxy:
    """Let somebody act for the citizen, from now on.

    Raises:
        AccessRefused: the caller is not a citizen, or not surely enough.
        InvalidSearch: a word, type or time that cannot be.
        NotFound: the code is nobody's, or not good any more.
    """
    async with _enter(ward, caller, Action.CREATE, caller.patient) as access:
        now, patient = access.grant.opened_at, caller.patient or ""
        _check(asked.name, asked.types, now, asked.ends_at)
        holder = await use_anybodys_code(ward.database, digest_of(key, asked.code), now)
        if holder is None or holder == patient:
            raise NotFound("This code is nobody's, was used or is too old (half an hour); ask for another.")
        proxy = Proxy(
            new_id(), patient, holder, asked.name.strip(), asked.kind, asked.types, "appointed by themselves",
            now, asked.ends_at, now, now, caller.name,
        )  # fmt: skip
        await store.keep_proxy(access.grant, ward.database, proxy)
    await ward.standing.refresh(patient)
    return proxy


async def confirm(ward: Ward, caller: Caller, asked: Confirmation) -> Proxy:
    """Confirm a power with its proof, as staff; what a desk enters waits until a second one agrees.

    Raises:
        AccessRefused: the caller is no staff.
        InvalidSearch: a word, type or time that cannot be, or no proof.
        NotFound: one of the two is not a patient here.
        Conflict: the child is of age, or its birth date is not known.
    """
    if not is_fhir_id(asked.patient):
        raise NotFound(_TWO_PATIENTS)
    async with _enter(ward, caller, Action.CREATE, asked.patient) as access:
        now = access.grant.opened_at
        _check(asked.name, asked.types, now, asked.ends_at)
        if not asked.proof.strip() or len(asked.proof) > TEXT_MAX:
            raise InvalidSearch("Say which proof you saw, in a few words.")
        if asked.holder == asked.patient or not is_fhir_id(asked.holder):
            raise NotFound(_TWO_PATIENTS)
        child = await resources.read(access.grant, ward.database, "Patient", asked.patient)
        access.record(child.patients)
        ends_at = asked.ends_at
        if asked.kind == "parent":
            grown = of_age(child.content, ward.gatehouse.law.parent_acts_until_years.value)
            if grown is None or grown <= now:
                raise Conflict("A parent acts for a child whose birth date is known, until it is of age.")
            ends_at = min(grown, ends_at or grown)
        words_alone = caller.role is Role.DESK
        proxy = Proxy(
            new_id(), asked.patient, asked.holder, asked.name.strip(), asked.kind, asked.types,
            asked.proof.strip(), asked.starts_at or now, ends_at, now, None if words_alone else now,
            "" if words_alone else caller.name, proposed_by=caller.subject,
        )  # fmt: skip
        await store.keep_proxy(access.grant, ward.database, proxy)
    await ward.standing.refresh(proxy.patient)
    return proxy


async def agree(ward: Ward, caller: Caller, identity: str) -> Proxy:
    """Confirm what another member of staff entered at a desk: the proof was only their words.

    Raises:
        AccessRefused: the caller is no staff.
        NotFound, Conflict: as `store.proxies.confirm_proxy`.
    """
    if caller.role not in _STAFF:
        raise AccessRefused("A power to act is confirmed by the node's staff; ask at a desk.")
    async with _enter(ward, caller, Action.UPDATE, None) as access:
        found = await store.confirm_proxy(access.grant, ward.database, identity)
    await ward.standing.refresh(found.patient)
    return found


async def waiting(ward: Ward, caller: Caller) -> list[Proxy]:
    """Return the powers that wait for a second member of staff. Raises as `in_dispute` does."""
    return await _listed(ward, caller, store.proxies_waiting)


async def powers(ward: Ward, caller: Caller, patient: str) -> list[Proxy]:
    """Return the powers over a patient and those that they hold, newest first."""
    async with _enter(ward, caller, Action.READ, patient) as access:
        access.record([patient])
        return await store.proxies(access.grant, ward.database, frozenset({patient}))


async def in_dispute(ward: Ward, caller: Caller) -> list[Proxy]:
    """Return the powers that wait for staff to settle them, the oldest first.

    Raises:
        AccessRefused: the caller is no staff.
    """
    return await _listed(ward, caller, store.proxies_in_dispute)


async def _listed(
    ward: Ward, caller: Caller, find: Callable[[Grant, Database], Awaitable[list[Proxy]]]
) -> list[Proxy]:
    if caller.role not in _STAFF:
        raise AccessRefused("What waits or is in dispute is for the node's staff to see; ask at a desk.")
    async with _enter(ward, caller, Action.READ, None) as access:
        found = await find(access.grant, ward.database)
        access.record([each.patient for each in found])
    return found


async def end(ward: Ward, caller: Caller, identity: str) -> None:
    """End a power: its holder, the represented where the law lets them decide, or staff.

    Raises:
        NotFound, Conflict: as `store.proxies.end_proxy`.
        AccessRefused: a child that the law does not let decide yet, or the represented of a guardian.
    """
    async with _enter(ward, caller, Action.UPDATE, caller.patient) as access:
        if await _is_bound_by_a_court(ward, access, identity):
            raise AccessRefused("A court gave this power; dispute it, and the node's staff look at it.")
        await _check_may_decide(ward, access, identity)
        found = await store.end_proxy(access.grant, ward.database, identity)
    await ward.standing.refresh(found.patient)


async def dispute(ward: Ward, caller: Caller, identity: str) -> Proxy:
    """Suspend a power until staff have settled it; one that a court gave stands meanwhile.

    Raises:
        NotFound, Conflict: as `store.proxies.dispute_proxy`.
        AccessRefused: a child that the law does not let decide yet.
    """
    async with _enter(ward, caller, Action.UPDATE, caller.patient) as access:
        if await _is_bound_by_a_court(ward, access, identity):
            found = await store.contest_proxy(access.grant, ward.database, identity)
        else:
            await _check_may_decide(ward, access, identity)
            found = await store.dispute_proxy(access.grant, ward.database, identity)
    await ward.standing.refresh(found.patient)
    return found


async def settle(ward: Ward, caller: Caller, identity: str, *, stands: bool) -> None:
    """End a dispute, as staff.

    Raises:
        AccessRefused: the caller is no staff.
        NotFound, Conflict: as `store.proxies.settle_proxy`.
    """
    if caller.role not in _STAFF:
        raise AccessRefused("A dispute about a power to act is settled by the node's staff; ask at a desk.")
    async with _enter(ward, caller, Action.UPDATE, None) as access:
        found = await store.settle_proxy(access.grant, ward.database, identity, stands=stands)
    await ward.standing.refresh(found.patient)


async def acting(ward: Ward, caller: Caller, identity: str) -> Caller:
    """Return the citizen as a proxy of whom they may act for.

    Raises:
        NotFound: they hold no such power.
        AccessRefused: it is not in force.
    """
    async with _enter(ward, caller, Action.READ, caller.patient) as access:
        found = await store.proxy_of(access.grant, ward.database, identity)
    if found.holder != caller.patient:
        raise NotFound("You hold no such power to act for somebody; see /proxies.")
    state = await state_of(ward, found)
    if state is not Relationship.OWN:
        raise AccessRefused(f"This power is not in force ({state.value}); ask at a desk of the node.")
    return as_proxy(caller, found)


def as_proxy(caller: Caller, power: Proxy) -> Caller:
    """Return the citizen as the proxy whom a power of theirs makes them."""
    return msgspec.structs.replace(
        caller, role=Role.PROXY, subject=power.holder, patient=power.patient,
        purpose=Purpose.PATIENT_REQUEST,
    )  # fmt: skip


async def state_of(ward: Ward, proxy: Proxy) -> Relationship:
    """Return whether a power is in force: "own" if it is."""
    if proxy.confirmed_at is None:
        return Relationship.NOT_YET
    power = Power(
        proxy.id, proxy.holder, proxy.kind, None, proxy.starts_at, proxy.ends_at, proxy.ended_at,
        proxy.disputed_at,
    )  # fmt: skip
    died = await ward.standing.has_died(proxy.patient)
    return relationship_of(power, ward.gatehouse.clock(), ward.gatehouse.law, has_died=died)


def _enter(ward: Ward, caller: Caller, action: Action, patient: str | None) -> Passage:
    return enter(
        ward.gatehouse, caller, AccessRequest(action, TYPE, TYPE, frozenset({patient}) if patient else None)
    )


async def _is_bound_by_a_court(ward: Ward, access: Access, identity: str) -> bool:
    """Return whether the caller is the represented of a power that a court gave."""
    found = await store.proxy_of(access.grant, ward.database, identity)
    return found.kind in BY_A_COURT and access.grant.caller.patient == found.patient


async def _check_may_decide(ward: Ward, access: Access, identity: str) -> None:
    """Refuse a child below the age at which the law lets it decide beside its parents."""
    found = await store.proxy_of(access.grant, ward.database, identity)
    if found.kind != "parent" or access.grant.caller.patient != found.patient:
        return
    child = await resources.read(access.grant, ward.database, "Patient", found.patient)
    decides = of_age(child.content, _child_years(ward.gatehouse.law))
    if decides is None or decides > access.grant.opened_at:
        raise AccessRefused("By the law here you decide on this yourself when you are older; ask at a desk.")


def _child_years(law: Jurisdiction) -> int:
    return law.child_decides_from_years.value


def of_age(content: bytes, years: int) -> datetime | None:
    """Return when a Patient is of an age, the beginning of the day (UTC); None without one that can be.

    Who was born on 29 February is of age on 1 March.
    """
    text = str(msgspec.json.decode(content).get("birthDate", ""))
    try:
        born = date.fromisoformat(text)
    except ValueError:
        return None
    year = born.year + years
    if year > MAXYEAR:
        return None
    try:
        day = born.replace(year=year)
    except ValueError:
        day = date(year, 3, 1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _check(name: str, types: tuple[str, ...] | None, now: datetime, ends_at: datetime | None) -> None:
    if not name.strip() or len(name) > TEXT_MAX or not name.isprintable():
        raise InvalidSearch("Say the name of who is to act, in one line.")
    if types is not None and (not types or not set(types) <= set(resource_types())):
        raise InvalidSearch("`types` names resource types of FHIR R4, at least one; leave it away for all.")
    if ends_at is not None and (ends_at.tzinfo is None or ends_at <= now):
        raise InvalidSearch("`ends_at` is a time to come, with its time zone.")
