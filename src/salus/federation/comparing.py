"""Comparing what members say of each other's logs, so that a log with two histories is found within a minute.

Every half minute a node reads the newest checkpoint that each member shows, and which checkpoints of others
each member vouches for. Two of one log must be alike, or the log must prove that one grew from the other.
What speaks against a log is kept with both signed notes, written down as a leaf, and shown at /ledger/status.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress

import msgspec

from salus.core.errors import MalformedContent, PeerUnavailable
from salus.federation.fanout import fan_out
from salus.federation.membership_list import Member
from salus.federation.witnessing import (
    PEER_MS_MAX,
    Witnesses,
    exchange,
    hold_against,
    learn,
    names_other_keys,
)
from salus.standards.merkle.checkpoint import Checkpoint, open_checkpoint
from salus.standards.merkle.note import VerifierKey, parse_key
from salus.standards.merkle.witness import Seen, is_grown
from salus.store.sequencer import last_checkpoint
from salus.store.witness import COMPARING, Evidence, PeerLog, peer_logs, turn

WITNESSED_BYTES_MAX = 4_000_000
LOGS_MAX = 2_000


class Vouched(msgspec.Struct, frozen=True):
    """A checkpoint that a member vouches for: whose log, its signed note."""

    node: str
    note: str


class VouchedFor(msgspec.Struct, frozen=True):
    """What `/ledger/witnessed` answers."""

    logs: list[Vouched]


async def vouched_for(witnesses: Witnesses) -> VouchedFor:
    """Return the checkpoints of others that this node vouches for."""
    known = await peer_logs(witnesses.database)
    return VouchedFor([Vouched(each.node, each.note) for each in known.values() if each.note])


async def compare_logs(witnesses: Witnesses) -> list[Evidence]:
    """Compare what every member shows with what this node knows; return what is new against a log."""
    async with turn(witnesses.database, COMPARING) as mine:
        return await _compare(witnesses) if mine else []


async def _compare(witnesses: Witnesses) -> list[Evidence]:
    members = {member.node: member for member in witnesses.others()}

    async def look(member: Member) -> list[Vouched]:
        return await _shown_by(witnesses, member)

    answers = await fan_out(list(members.values()), look, deadline_ms=2 * PEER_MS_MAX)
    known = await peer_logs(witnesses.database)
    own = await last_checkpoint(witnesses.database)
    found = []
    for shown in (each for many in answers.answers.values() for each in many):
        peer, member = known.get(shown.node), members.get(shown.node)
        if shown.node == witnesses.node and own is not None:
            found.append(_against_own(witnesses, own, shown))
        elif peer is not None and member is not None and peer.note:
            with suppress(PeerUnavailable):  # asked again in the next round
                found.append(await _against(witnesses, member, peer, shown))
    return [each for each in found if each is not None and await hold_against(witnesses, each)]


async def _shown_by(witnesses: Witnesses, member: Member) -> list[Vouched]:
    """Return the member's own newest checkpoint, and those of others that it vouches for."""
    known = (await peer_logs(witnesses.database)).get(member.node) or await learn(witnesses, member)
    await names_other_keys(witnesses, known)
    checkpoint = await exchange(witnesses.client, "GET", f"{member.base_url}/ledger/checkpoint")
    own = [Vouched(member.node, checkpoint.text)] if checkpoint.status_code == 200 else []
    address = f"{member.base_url}/ledger/witnessed"
    answer = await exchange(witnesses.client, "GET", address, bytes_max=WITNESSED_BYTES_MAX)
    try:
        vouched = msgspec.json.decode(answer.content, type=VouchedFor)
    except msgspec.DecodeError as error:
        raise PeerUnavailable(f"{address} answered nothing that can be read") from error
    return own + vouched.logs[:LOGS_MAX]


async def _against(witnesses: Witnesses, member: Member, peer: PeerLog, shown: Vouched) -> Evidence | None:
    """Return what a checkpoint says against the log, beside the one that this node vouches for."""
    log = parse_key(peer.log_key)
    other = _opened(shown.note, log)
    if other is None or (other.size, other.root) == peer.seen:
        return None
    if other.size == peer.size:
        return _evidence(
            witnesses, peer.node, f"It signed two logs of {peer.size} entries.", peer.note, shown
        )
    ends = sorted([peer.seen, Seen(other.size, other.root)])
    if not ends[0].size:
        return None
    address = f"{member.base_url}/ledger/consistency?before={ends[0].size}&after={ends[1].size}"
    answer = await exchange(witnesses.client, "GET", address)
    if answer.status_code not in (200, 404):
        raise PeerUnavailable(f"{address} answered {answer.status_code}")
    if is_grown(ends[0], Checkpoint(log.name, *ends[1]), _proof_of(answer.content)):
        return None
    what = f"It gave no proof that its log of {ends[1].size} entries grew from that of {ends[0].size}."
    return _evidence(witnesses, peer.node, what, peer.note, shown)


def _against_own(witnesses: Witnesses, own: tuple[int, bytes, str], shown: Vouched) -> Evidence | None:
    """Return what a checkpoint with this node's own signature says against it: its key may be stolen."""
    other = _opened(shown.note, witnesses.log)
    size, root, note = own
    if other is None or other.size < size or (other.size, other.root) == (size, root):
        return None
    what = (
        f"Another log of {size} entries carries this node's own signature."
        if other.size == size
        else f"A member vouches for {other.size} entries of this node's log, which has {size}."
    )
    return _evidence(witnesses, witnesses.node, what, note, shown)


def _opened(note: str, log: VerifierKey) -> Checkpoint | None:
    """Return the checkpoint of a note, None where the log did not sign it: that says nothing."""
    try:
        return open_checkpoint(note, log)
    except MalformedContent:
        return None


def _proof_of(body: bytes) -> list[bytes]:
    """Return the hashes of an answer of /ledger/consistency; none where it holds none."""
    try:
        found = msgspec.json.decode(body)
        return [base64.b64decode(each, validate=True) for each in found["hashes"]]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, binascii.Error):
        return []


def _evidence(witnesses: Witnesses, node: str, what: str, known: str, shown: Vouched) -> Evidence:
    return Evidence(node, witnesses.clock(), what, known, shown.note)
