"""Data permits of the health data access body (EHDS, Art. 68): issued, extended, ended; each step a leaf.

No data leave by a permit here yet. What is here is the name that a person has under it: keyed with the
permit's own key, so that two permits cannot be joined, and lost when it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache, partial
from importlib import resources

import msgspec

from salus.core.access import Action, Caller, Purpose, Role
from salus.core.errors import InvalidSearch
from salus.core.identifiers import new_id
from salus.store import permits as store
from salus.store.permits import Permit
from salus.store.postgres import Database
from salus.trust.gate import Gatehouse, Passage, enter
from salus.trust.policy import AccessRequest
from salus.trust.pseudonyms import pseudonym

TYPE = "permit"
PERIOD_MAX = timedelta(days=3653)
"""Ten years, and once ten more (Art. 68(12))."""
TEXT_MAX = 500


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What a permit may name: purposes and categories by their letters in the Regulation."""

    public_bodies: tuple[str, ...]
    purposes: dict[str, str]
    categories: dict[str, str]


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A permit to issue.

    Args:
        holder: the health data user.
        purposes: letters of Art. 53(1).
        categories: letters of Art. 51(1).
        ends_at: until when, at most ten years from its start.
        starts_at: from when (default: now).
        is_public_body: a public sector body or Union institution, which alone may have some purposes.
    """

    holder: str
    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    ends_at: datetime
    starts_at: datetime | None = None
    is_public_body: bool = False


@cache
def terms() -> Terms:
    """Return the table."""
    table = resources.files("salus.trust").joinpath("permits.toml").read_bytes()
    return msgspec.toml.decode(table, type=Terms)


async def issue(gatehouse: Gatehouse, database: Database, caller: Caller, wish: Wish) -> Permit:
    """Issue a permit and return it.

    Raises:
        AccessRefused: the caller is no health data access body.
        InvalidSearch: something that no permit may name.
    """
    async with _enter(gatehouse, caller, Action.CREATE, TYPE) as access:
        now = access.grant.opened_at
        starts_at = wish.starts_at or now
        _check(wish, starts_at)
        permit = Permit(
            new_id(), wish.holder.strip(), tuple(sorted(set(wish.purposes))),
            tuple(sorted(set(wish.categories))), starts_at, wish.ends_at, now, caller.name,
        )  # fmt: skip
        await store.issue_permit(access.grant, database, permit)
    return permit


async def extend(
    gatehouse: Gatehouse, database: Database, caller: Caller, identity: str, ends_at: datetime
) -> None:
    """Let a permit end later, once and by ten years at most.

    Raises:
        AccessRefused: the caller is no health data access body.
        NotFound, Conflict: as `store.permits.extend_permit`.
        InvalidSearch: that is later than the law lets it end.
    """
    async with _enter(gatehouse, caller, Action.UPDATE, f"{TYPE}/{identity}") as access:
        if ends_at.tzinfo is None or ends_at > access.grant.opened_at + PERIOD_MAX:
            raise InvalidSearch("A permit is extended by ten years at most; the time needs a time zone.")
        await store.extend_permit(access.grant, database, identity, ends_at)


async def end(gatehouse: Gatehouse, database: Database, caller: Caller, identity: str, reason: str) -> None:
    """End a permit before its time: its key is destroyed, and it gives no pseudonyms any more.

    Raises:
        AccessRefused: the caller is no health data access body.
        NotFound, Conflict: as `store.permits.end_permit`.
        InvalidSearch: no reason is given.
    """
    async with _enter(gatehouse, caller, Action.UPDATE, f"{TYPE}/{identity}") as access:
        if not reason.strip() or len(reason) > TEXT_MAX:
            raise InvalidSearch(f"Say why, in at most {TEXT_MAX} characters.")
        await store.end_permit(access.grant, database, identity, reason.strip())


async def list_permits(gatehouse: Gatehouse, database: Database, caller: Caller) -> list[Permit]:
    """Return the permits, newest first."""
    async with _enter(gatehouse, caller, Action.READ, TYPE) as access:
        return await store.permits(access.grant, database)


async def pseudonyms(
    gatehouse: Gatehouse, database: Database, caller: Caller, identity: str
) -> Callable[[str], str]:
    """Return what names a person (by the logical id of their record) under a permit that is in force.

    Raises:
        AccessRefused: the caller is no health data access body.
        NotFound, Conflict, KeyMissing: as `store.permits.key_of_permit`.
    """
    async with _enter(gatehouse, caller, Action.READ, f"{TYPE}/{identity} pseudonyms") as access:
        key = await store.key_of_permit(access.grant, database, identity)
    return partial(pseudonym, key, identity)


async def end_expired(gatehouse: Gatehouse, database: Database, *, issuer: str) -> int:
    """Destroy the keys of permits whose time is over; return how many there were."""
    if not await store.is_any_over(database, gatehouse.clock()):
        return 0
    caller = Caller("salus-permits", "Salus, permits", Role.ACCESS_BODY, "", issuer, Purpose.OPERATIONS)
    async with _enter(gatehouse, caller, Action.UPDATE, TYPE) as access:
        return await store.destroy_keys_of_ended(access.grant, database)


def _enter(gatehouse: Gatehouse, caller: Caller, action: Action, what: str) -> Passage:
    return enter(gatehouse, caller, AccessRequest(action, TYPE, what))


def _check(wish: Wish, starts_at: datetime) -> None:
    known = terms()
    if not wish.holder.strip() or len(wish.holder) > TEXT_MAX:
        raise InvalidSearch("Name the health data user who holds the permit.")
    _among(wish.purposes, known.purposes, "purpose", "53(1)")
    _among(wish.categories, known.categories, "category", "51(1)")
    reserved = sorted(set(wish.purposes) & set(known.public_bodies))
    if reserved and not wish.is_public_body:
        raise InvalidSearch(
            f"Purposes {', '.join(reserved)} are for public sector bodies and Union institutions (53(2))."
        )
    if starts_at.tzinfo is None or wish.ends_at.tzinfo is None:
        raise InvalidSearch("Times need a time zone.")
    if not starts_at < wish.ends_at <= starts_at + PERIOD_MAX:
        raise InvalidSearch("A permit ends after it starts, and within ten years.")


def _among(named: Iterable[str], known: dict[str, str], what: str, article: str) -> None:
    asked = list(named)
    if not asked or any(each not in known for each in asked):
        raise InvalidSearch(f"Name each {what} by its letter in Art. {article}: {', '.join(known)}.")
