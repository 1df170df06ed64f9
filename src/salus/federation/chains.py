"""Trust chains to the members, as a running node holds them (OpenID Federation 1.0 section 10).

A member may ask and be asked on a chain to the anchor whose keys this node pinned when it joined. A chain
lives a quarter of an hour at most and is renewed at half its life. Every twenty seconds the node asks the
anchor whom it vouches for: whoever is struck off has no chain any more.

A node that cannot reach the anchor keeps the last chains. When they have ended it answers emergencies only,
by the keys that they named, for a week at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
import msgspec

from salus.core.access import Purpose
from salus.core.clock import Clock
from salus.core.errors import AccessRefused, Conflict, NotAuthenticated, NotFound, PeerUnavailable, SalusError
from salus.federation.entity import member_mark, vouched_for
from salus.federation.fetching import endpoint_of, fetch_entities, fetch_text
from salus.federation.membership import Membership, read_pins, write_pins
from salus.federation.membership_list import LIST_SIZE_MAX, Member, MembershipList, named, read_list
from salus.standards.jose.compact import unverified
from salus.standards.openid_federation.chain import LIFE_SECONDS_MAX, TrustChain, verify_chain
from salus.standards.openid_federation.responses import configuration_address
from salus.standards.openid_federation.statement import Statement, read_statement
from salus.standards.openid_federation.trust_mark import check_form
from salus.store.federation import LIST_FILE, read_file, write_file

POLL_SECONDS = 20.0
RENEW_SECONDS = LIFE_SECONDS_MAX / 2
RETRY_SECONDS = 5.0
EMERGENCY_SECONDS = 7 * 24 * 3600
IN_TOUCH_SECONDS = 60.0
AT_ONCE_MAX = 8
MARK_FILE = "mark.jws"


class Vouched(StrEnum):
    """What the anchor's word about a member comes to at this moment."""

    LIVE = "live"
    CUT_OFF = "cut-off"
    NONE = "none"


class Contact(StrEnum):
    """How the node stands to its federation's anchor."""

    NO_FEDERATION = "no-federation"
    IN_TOUCH = "in-touch"
    OUT_OF_TOUCH = "out-of-touch"
    CUT_OFF = "cut-off"


class Held(msgspec.Struct, frozen=True):
    """A verified trust chain.

    Args:
        member: as the chain makes it, with the keys of its client assertions.
        chain: what the statements come to.
        tokens: the statements: the member's own, the anchor's about it, the anchor's own.
        fetched_at: in seconds since 1970.
    """

    member: Member
    chain: TrustChain
    tokens: tuple[str, ...]
    fetched_at: float


class _Kept(msgspec.Struct, frozen=True):
    tokens: tuple[str, ...]
    fetched_at: float


class Chains:
    """The chains of one process of the node; a file for each outlives it."""

    def __init__(
        self,
        data: Path,
        membership: Membership,
        client: httpx.AsyncClient,
        clock: Clock,
        *,
        skew_seconds: int,
    ) -> None:
        self.membership = membership
        self._data = data
        self._client = client
        self._clock = clock
        self._skew_seconds = skew_seconds
        self._held: dict[str, Held] = {}
        self._read: set[str] = set()
        self._listed: frozenset[str] | None = None
        self._reasons: dict[str, str] = {}
        self._tried: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._contact_at = 0.0

    def standing(self, node: str, now: float) -> Vouched:
        """Return what the anchor's word about a node comes to: nothing, for whom it has struck off."""
        held = self.held(node)
        if held is None or not self._is_listed(held.member):
            return Vouched.NONE
        if now < held.chain.expires_at:
            return Vouched.LIVE
        is_waiting = node not in self._reasons and now < held.chain.expires_at + EMERGENCY_SECONDS
        return Vouched.CUT_OFF if is_waiting else Vouched.NONE

    def admits(self, node: str, purpose: Purpose) -> bool:
        """Return whether a token that the node was given for the purpose still opens anything."""
        now = self._clock()
        if not self.membership.is_active(node, now):
            return False
        found = self.standing(node, now.timestamp())
        return found is Vouched.LIVE or (found is Vouched.CUT_OFF and purpose is Purpose.EMERGENCY)

    def held(self, node: str) -> Held | None:
        """Return the last chain of a node, live or not, None when there never was one."""
        if node not in self._read:
            self._read.add(node)
            self._restore(node)
        return self._held.get(node)

    def contact(self) -> Contact:
        """Return how this node stands to the anchor."""
        current, now = self.membership.current, self._clock().timestamp()
        if current is None:
            return Contact.NO_FEDERATION
        last = max([self._contact_at, *(held.fetched_at for held in self._held.values())])
        if now - last <= IN_TOUCH_SECONDS:
            return Contact.IN_TOUCH
        return Contact.OUT_OF_TOUCH if now - last < LIFE_SECONDS_MAX else Contact.CUT_OFF

    async def vouched(self, member: Member, *, renew: bool = False) -> tuple[Held, Vouched]:
        """Return the member's chain, fetched now unless a live one is held, and what it comes to.

        Args:
            member: an active one of the register.
            renew: fetch it also when a live one is held: the member signs with a key that it does not name.

        Raises:
            AccessRefused: the anchor does not vouch for the member, or nobody knows whether it does.
        """
        async with self._locks.setdefault(member.node, asyncio.Lock()):
            now = self._clock().timestamp()
            is_live = self.standing(member.node, now) is Vouched.LIVE
            if (renew or not is_live) and now >= self._tried.get(member.node, 0.0) + RETRY_SECONDS:
                await self._renew(member)
            held, found = self.held(member.node), self.standing(member.node, self._clock().timestamp())
        if held is None or found is Vouched.NONE:
            why = self._reasons.get(member.node, "the federation's anchor cannot be reached")
            raise AccessRefused(f"node {member.node} has no trust chain to the federation's anchor: {why}")
        return held, found

    def keep(self, listed: Member, tokens: Sequence[str], *, fetched_at: float) -> Held:
        """Verify a chain about a member, hold it and write it to its file.

        Raises:
            NotAuthenticated: it does not lead to the pinned anchor, or is about somebody else.
        """
        held = self._verified(listed, tokens, fetched_at)
        self._hold(held)
        write_file(
            self._data, _file_of(listed.node), msgspec.json.encode(_Kept(held.tokens, fetched_at)).decode()
        )
        return held

    async def tend(self) -> None:
        """Ask the anchor whom it vouches for, and renew what has passed half its life."""
        await self.poll()
        current, now = self.membership.current, self._clock()
        if current is None or not current.anchor:
            return
        places = asyncio.Semaphore(AT_ONCE_MAX)

        async def renew(member: Member) -> None:
            async with places, self._locks.setdefault(member.node, asyncio.Lock()):
                await self._renew(member)

        due = [
            each
            for each in current.members
            if each.state(now) == "active" and self._is_due(each.node, now.timestamp())
        ]
        await asyncio.gather(*(renew(member) for member in due))

    async def poll(self) -> None:
        """Ask the anchor whom it vouches for, and for its register; nothing changes when it is silent."""
        current = self.membership.current
        if current is None or not current.anchor:
            return
        try:
            _, anchor = await self._anchor(current)
            self._listed = await fetch_entities(self._client, endpoint_of(anchor.metadata, "list"))
            self._contact_at = self._clock().timestamp()
            await self._take_register(current, anchor)
        except SalusError:
            return

    async def own_marks(self, base_url: str) -> tuple[str, ...]:
        """Return the trust marks that the anchor gave this node, asked for now when none is in force."""
        current, now = self.membership.current, self._clock().timestamp()
        if current is None or not current.anchor:
            return ()
        known = read_file(self._data, MARK_FILE)
        if known is not None and _is_in_force(known.strip(), base_url, current.anchor, now):
            return (known.strip(),)
        if now < self._tried.get(MARK_FILE, 0.0) + RETRY_SECONDS:
            return ()
        self._tried[MARK_FILE] = now
        try:
            _, anchor = await self._anchor(current)
            asked = {"trust_mark_type": member_mark(current.anchor), "sub": base_url}
            mark = await fetch_text(self._client, endpoint_of(anchor.metadata, "trust_mark"), asked)
        except SalusError:
            return ()
        if not _is_in_force(mark, base_url, current.anchor, now):
            return ()
        write_file(self._data, MARK_FILE, mark)
        return (mark,)

    async def _renew(self, member: Member) -> None:
        """Fetch the chain anew; what is held stays when nobody answers."""
        current, now = self.membership.current, self._clock().timestamp()
        assert current is not None, "a member is of a register"
        self._tried[member.node] = now
        try:
            token, anchor = await self._anchor(current)
            own = await fetch_text(self._client, configuration_address(member.base_url))
            asked = {"sub": member.base_url}
            about = await fetch_text(self._client, endpoint_of(anchor.metadata, "fetch"), asked)
            self.keep(member, (own, about, token), fetched_at=now)
            self._contact_at = now
        except PeerUnavailable as error:
            if self.held(member.node) is None:
                self._reasons[member.node] = error.message
        except (NotFound, NotAuthenticated) as error:
            self._reasons[member.node] = error.message

    async def _anchor(self, current: MembershipList) -> tuple[str, Statement]:
        """Return what the anchor says of itself, and trust from now on the keys that it names there."""
        token = await fetch_text(self._client, configuration_address(current.anchor))
        now, pins = self._clock().timestamp(), read_pins(self._data)
        chain = verify_chain(
            [token],
            anchors={current.anchor: named(pins)},
            now=now,
            fetched_at=now,
            skew_seconds=self._skew_seconds,
        )
        keys = named(chain.configuration.keys)
        if keys != named(pins):
            await self._take_keys(keys)
        return token, chain.configuration

    async def _take_keys(self, keys: Sequence[dict[str, Any]]) -> None:  # Any: JWK members
        """Pin the anchor's keys; first those that are new, and the old ones go when the list needs none."""
        text = read_file(self._data, LIST_FILE)
        try:
            read_list((text or "").strip(), *keys)
        except NotAuthenticated:
            known = {key["kid"] for key in keys}
            keys = [*keys, *(key for key in named(read_pins(self._data)) if key["kid"] not in known)]
        write_pins(self._data, keys)

    async def _take_register(self, current: MembershipList, anchor: Statement) -> None:
        address = f"{current.anchor.rpartition('/')[0]}/members"
        text = await fetch_text(self._client, address, bytes_max=LIST_SIZE_MAX)
        try:
            self.membership.install(text)
        except Conflict:
            return  # it is the one we know, or another member brought a newer one

    def _verified(self, listed: Member, tokens: Sequence[str], fetched_at: float) -> Held:
        current = self.membership.current
        if current is None or not current.anchor:
            raise NotAuthenticated("this node has joined no federation with an anchor")
        if len(tokens) != 3:
            raise NotAuthenticated("a member's trust chain is its own word and the anchor's two")
        chain = verify_chain(
            tokens,
            anchors={current.anchor: named(read_pins(self._data))},
            now=fetched_at,
            fetched_at=fetched_at,
            skew_seconds=self._skew_seconds,
        )
        anchor = read_statement(tokens[2])
        if not anchor.is_configuration:
            raise NotAuthenticated("a member's trust chain ends with what the anchor says of itself")
        member = vouched_for(listed, chain, anchor, now=fetched_at, skew_seconds=self._skew_seconds)
        return Held(member, chain, tuple(tokens), fetched_at)

    def _hold(self, held: Held) -> None:
        node = held.member.node
        self._read.add(node)
        self._held[node] = held
        self._reasons.pop(node, None)
        if self._listed is not None:
            self._listed |= {held.member.base_url}

    def _restore(self, node: str) -> None:
        """Hold the chain of the node's file, as it was when it was fetched; it may have ended since."""
        text, current = read_file(self._data, _file_of(node)), self.membership.current
        listed = next((each for each in current.members if each.node == node), None) if current else None
        if text is None or listed is None:
            return
        try:
            kept = msgspec.json.decode(text, type=_Kept)
            self._hold(self._verified(listed, kept.tokens, kept.fetched_at))
        except (msgspec.DecodeError, NotAuthenticated):
            return  # it is fetched anew

    def _is_listed(self, member: Member) -> bool:
        return self._listed is None or member.base_url in self._listed

    def _is_due(self, node: str, now: float) -> bool:
        held = self.held(node)
        return held is None or now >= min(
            held.fetched_at + RENEW_SECONDS, held.chain.expires_at - RETRY_SECONDS
        )


def _file_of(node: str) -> str:
    return f"chain-{node}.json"


def _is_in_force(mark: str, subject: str, anchor: str, now: float) -> bool:
    """Return whether a mark is this node's own, of its anchor, and does not end within the hour."""
    try:
        found = check_form(unverified(mark).claims)
    except NotAuthenticated:
        return False
    ends_at = found.expires_at or float("inf")
    return (found.subject, found.issuer) == (subject, anchor) and now + 3_600 < ends_at
