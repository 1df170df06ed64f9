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
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import httpx
import msgspec

from salus.core.access import Leaf, Outcome, Purpose
from salus.core.clock import Clock
from salus.core.errors import AccessRefused, NotAuthenticated, PeerUnavailable, SalusError
from salus.federation.entity import vouched_for
from salus.federation.fetching import fetch_text
from salus.federation.membership import Membership, read_pins
from salus.federation.membership_list import Member, named
from salus.federation.offline import signing
from salus.federation.superior import RETRY_SECONDS, Superior
from salus.standards.openid_federation.chain import LIFE_SECONDS_MAX, TrustChain, verify_chain
from salus.standards.openid_federation.responses import configuration_address
from salus.standards.openid_federation.statement import read_statement
from salus.store.federation import read_file, write_file

POLL_SECONDS = 20.0
RENEW_SECONDS = LIFE_SECONDS_MAX / 2
EMERGENCY_SECONDS = 7 * 24 * 3600
IN_TOUCH_SECONDS = 60.0
AT_ONCE_MAX = 8


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
        self.superior = Superior(data, membership, client, clock, skew_seconds=skew_seconds)
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
        self._contact = Contact.IN_TOUCH
        self._events: list[str] = []

    def standing(self, node: str, now: float) -> Vouched:
        """Return what the anchor's word about a node comes to: nothing, for whom it has struck off."""
        held = self.held(node)
        if held is None or not self._is_listed(held.member) or not self._is_of_register(held):
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
        chains = [held for each in current.members if (held := self.held(each.node)) is not None]
        last = max([self.superior.heard_at, *(held.fetched_at for held in chains)])
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

    async def require_live(self, member: Member) -> None:
        """Pass only a member for whom the anchor vouches now: not one of which that was known once.

        Raises:
            AccessRefused: nobody vouches for it, or the anchor cannot be asked.
        """
        if (await self.vouched(member))[1] is not Vouched.LIVE:
            raise AccessRefused(f"Nobody vouches for node {member.node} at present; try again later.")

    def keep(self, listed: Member, tokens: Sequence[str], *, fetched_at: float) -> Held:
        """Verify a chain about a member, hold it and write it to its file.

        Raises:
            NotAuthenticated: it does not lead to the pinned anchor, or is about somebody else.
        """
        held = self._verified(listed, tokens, fetched_at)
        if self.held(listed.node) is None or not self._is_listed(listed):
            self._events.append(f"node {listed.node} is vouched for")
        self._hold(held)
        write_file(
            self._data, _file_of(listed.node), msgspec.json.encode(_Kept(held.tokens, fetched_at)).decode()
        )
        return held

    async def tend(self) -> None:
        """Ask the anchor whom it vouches for, and renew what has passed half its life."""
        is_answered = await self.poll()
        self._note_contact()
        current, now = self.membership.current, self._clock()
        if not is_answered or current is None:
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

    async def poll(self) -> bool:
        """Ask the anchor whom it vouches for, and for its register; return whether it answered.

        Nothing changes when it is silent.
        """
        if not self.superior.entity:
            return False
        changes = self.superior.key_changes
        try:
            await self.superior.configuration()
        except SalusError:
            return False
        if self.superior.key_changes != changes:
            self._events.append("the keys of the federation's anchor have changed")
        with suppress(SalusError):  # the register says so too
            self._take_list(await self.superior.listed())
        with suppress(SalusError):
            await self.superior.take_register()
        return True

    def take_events(self) -> list[str]:
        """Return what has changed in the node's trust since the last time, for the audit, in order."""
        events, self._events = self._events, []
        return events

    async def _renew(self, member: Member) -> None:
        """Fetch the chain anew; what is held stays when nobody answers."""
        now = self._clock().timestamp()
        self._tried[member.node] = now
        try:
            try:
                self.keep(member, await self._fetched(member, age_max=POLL_SECONDS), fetched_at=now)
            except NotAuthenticated:  # the anchor may have changed its key since
                self.keep(member, await self._fetched(member, age_max=0), fetched_at=now)
        except asyncio.CancelledError:
            del self._tried[member.node]  # who asked did not wait for the answer: the next one asks again
            raise
        except PeerUnavailable as error:
            if self.held(member.node) is None:
                self._reasons[member.node] = error.message
        except SalusError as error:
            self._reasons[member.node] = error.message

    async def _fetched(self, member: Member, *, age_max: float) -> tuple[str, str, str]:
        """Return the statements of a member's chain; of a member that is silent, what it said last.

        `age_max`: how old what the anchor says of itself may be, in seconds.
        """
        about, top = await self.superior.statement_about(member.base_url, age_max=age_max)
        try:
            return await fetch_text(self._client, configuration_address(member.base_url)), about, top
        except PeerUnavailable:
            held = self.held(member.node)
            if held is None:
                raise
            return held.tokens[0], about, top

    def _take_list(self, listed: frozenset[str]) -> None:
        before, self._listed = self._listed, listed
        for held in self._held.values():
            was, is_ = before is None or held.member.base_url in before, held.member.base_url in listed
            if was != is_:
                self._events.append(f"node {held.member.node} is {'vouched for' if is_ else 'struck off'}")

    def _note_contact(self) -> None:
        """Note when this node is cut off from the anchor, and when it is not any more."""
        found = self.contact()
        if found is not self._contact and Contact.CUT_OFF in (found, self._contact):
            is_cut_off = found is Contact.CUT_OFF
            self._events.append(f"this node is {'' if is_cut_off else 'no more '}cut off from the anchor")
        self._contact = found

    def _verified(self, listed: Member, tokens: Sequence[str], fetched_at: float) -> Held:
        current = self.membership.current
        if current is None or not current.anchor:
            raise NotAuthenticated("this node has joined no federation with an anchor")
        if len(tokens) != 3:
            raise NotAuthenticated("a member's trust chain is its own word and the anchor's two")
        chain = verify_chain(
            tokens,
            anchors={current.anchor: signing(named(read_pins(self._data)))},
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

    def _is_of_register(self, held: Held) -> bool:
        """Return whether the register still names the member with the address and keys of the chain."""
        current, member = self.membership.current, held.member
        listed = (
            next((each for each in current.members if each.node == member.node), None) if current else None
        )
        return (
            listed is not None
            and listed.base_url == member.base_url
            and {key["kid"] for key in listed.keys} == {key["kid"] for key in held.chain.keys}
        )

    def _is_due(self, node: str, now: float) -> bool:
        held = self.held(node)
        if held is None or not self._is_of_register(held):
            return True
        return now >= min(held.fetched_at + RENEW_SECONDS, held.chain.expires_at - RETRY_SECONDS)


def trust_leaf(event: str, at: datetime, request: str) -> Leaf:
    """Return the leaf of a change in the node's trust; it is about no person."""
    return Leaf(
        at=at, request=request, patient="", subject="", name="", role="", organisation="", node="",
        purpose="", action="trust", what=event, resources=0, outcome=Outcome.SERVED, rule="anchor-vouches",
    )  # fmt: skip


def _file_of(node: str) -> str:
    return f"chain-{node}.json"
