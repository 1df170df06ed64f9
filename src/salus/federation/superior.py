"""What a member hears from its federation's anchor: who it is, whom it vouches for, its register, a mark.

The anchor is known by the keys that were pinned at joining. It changes them by its own statement, signed
with a key that is pinned still (OpenID Federation 1.0 section 11.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from salus.core.clock import Clock
from salus.core.errors import Conflict, NotAuthenticated, SalusError
from salus.federation.entity import member_mark
from salus.federation.fetching import endpoint_of, fetch_entities, fetch_text
from salus.federation.membership import Membership, read_pins, replace_list
from salus.federation.membership_list import LIST_SIZE_MAX, named, read_list
from salus.federation.offline import ROOT, signing
from salus.standards.jose.compact import unverified
from salus.standards.openid_federation.chain import verify_chain
from salus.standards.openid_federation.responses import configuration_address
from salus.standards.openid_federation.statement import Statement
from salus.standards.openid_federation.trust_mark import check_form
from salus.store.federation import LIST_FILE, read_file, write_file

MARK_FILE, SINCE_FILE = "mark.jws", "anchor-since.txt"
MARK_LEFT_SECONDS = 3_600
RETRY_SECONDS = 5.0


class Superior:
    """The anchor, as one process of a member's node hears it.

    Args:
        data: the node's folder, where pinned keys and the mark lie.
        membership: the anchor's register, as last verified; it says where the anchor answers.
        client: for requests.
        clock: the present.
        skew_seconds: tolerated difference of clocks.
    """

    def __init__(
        self,
        data: Path,
        membership: Membership,
        client: httpx.AsyncClient,
        clock: Clock,
        *,
        skew_seconds: int,
    ) -> None:
        self.heard_at = 0.0
        self.key_changes = 0
        self._data = data
        self._membership = membership
        self._client = client
        self._clock = clock
        self._skew_seconds = skew_seconds
        self._known: tuple[str, Statement, float] | None = None
        self._mark_asked_at = 0.0
        self._marks_turn = asyncio.Lock()

    @property
    def entity(self) -> str:
        """Return the anchor's identifier, "" before the node has joined a federation that has one."""
        current = self._membership.current
        return current.anchor if current is not None else ""

    async def configuration(self, *, age_max: float = 0) -> tuple[str, Statement]:
        """Return what the anchor says of itself, and trust from now on the keys that it names there.

        Args:
            age_max: how old it may be, in seconds.

        Raises:
            PeerUnavailable, NotFound: it does not answer.
            NotAuthenticated: whoever answers is not the anchor whose keys were pinned.
        """
        now, known, entity = self._clock().timestamp(), self._known, self.entity
        if known is not None and known[1].subject == entity and now - known[2] < age_max:
            return known[0], known[1]
        token = await fetch_text(self._client, configuration_address(entity))
        pins = named(read_pins(self._data))
        statement = verify_chain(
            [token], anchors={entity: signing(pins)}, now=now, fetched_at=now, skew_seconds=self._skew_seconds
        ).configuration
        self._check_age(statement)
        await self._take_keys(named(statement.keys), pins)
        self._known, self.heard_at = (token, statement, now), now
        return token, statement

    async def listed(self) -> frozenset[str]:
        """Return the identifiers of whom the anchor vouches for."""
        _, anchor = await self.configuration()
        return await fetch_entities(self._client, endpoint_of(anchor.metadata, "list"))

    async def statement_about(self, subject: str, *, age_max: float) -> tuple[str, str]:
        """Return what the anchor says of a member, and of itself, the latter at most `age_max` seconds ago.

        Raises:
            NotFound: it vouches for no such member.
        """
        token, anchor = await self.configuration(age_max=age_max)
        address = endpoint_of(anchor.metadata, "fetch")
        return await fetch_text(self._client, address, {"sub": subject}), token

    async def take_register(self) -> None:
        """Take the anchor's newest register, unless it is the one that is known."""
        try:
            self._membership.install(await self._register())
        except Conflict:
            return  # another member brought a newer one

    async def _register(self) -> str:
        address = f"{self.entity.rpartition('/')[0]}/members"
        return await fetch_text(self._client, address, bytes_max=LIST_SIZE_MAX)

    async def own_marks(self, base_url: str) -> tuple[str, ...]:
        """Return the trust marks that the anchor gave this node, asked for now when none is in force.

        Whoever comes while they are asked for waits: a configuration without them makes a chain of nobody.
        """
        if not self.entity:
            return ()
        async with self._marks_turn:
            return await self._own_marks(base_url)

    async def _own_marks(self, base_url: str) -> tuple[str, ...]:
        entity, now = self.entity, self._clock().timestamp()
        known = read_file(self._data, MARK_FILE)
        if known is not None and _is_in_force(known, base_url, entity, now):
            return (known,)
        if now < self._mark_asked_at + RETRY_SECONDS:
            return ()
        self._mark_asked_at = now
        try:
            _, anchor = await self.configuration()
            asked = {"trust_mark_type": member_mark(entity), "sub": base_url}
            mark = await fetch_text(self._client, endpoint_of(anchor.metadata, "trust_mark"), asked)
        except SalusError:
            return ()
        if not _is_in_force(mark, base_url, entity, now):
            return ()
        write_file(self._data, MARK_FILE, mark)
        return (mark,)

    def _check_age(self, statement: Statement) -> None:
        """Remember the newest statement that an offline key signed: they live a year, and an older one may
        name a key that was stolen since.

        Raises:
            NotAuthenticated: a newer one is known.
        """
        if not any(key.get(ROOT) for key in statement.keys):
            return
        known = float(read_file(self._data, SINCE_FILE) or 0)
        if statement.issued_at < known:
            raise NotAuthenticated("the anchor shows a statement of itself that it has replaced since")
        if statement.issued_at > known:
            write_file(self._data, SINCE_FILE, str(statement.issued_at))

    async def _take_keys(self, keys: Sequence[dict[str, Any]], pins: Sequence[dict[str, Any]]) -> None:
        """Pin the keys that the anchor names, and no others, with a register that one of them signed.

        Raises:
            PeerUnavailable, NotAuthenticated: the anchor shows no such register; nothing is changed.
        """
        if list(keys) == list(pins):
            return
        text = read_file(self._data, LIST_FILE) or ""
        try:
            read_list(text.strip(), *keys)
        except NotAuthenticated:
            text = await self._register()
        replace_list(self._data, text, keys)
        self.key_changes += 1


def _is_in_force(mark: str, subject: str, anchor: str, now: float) -> bool:
    """Return whether a mark is this node's own, of its anchor, and does not end within the hour."""
    try:
        found = check_form(unverified(mark).claims)
    except NotAuthenticated:
        return False
    ends_at = found.expires_at or float("inf")
    return (found.subject, found.issuer) == (subject, anchor) and now + MARK_LEFT_SECONDS < ends_at
