"""What other members remember of this node's own log, asked when the node starts (docs/decisions/0031).

A database that was restored, and lost the mirror with it, does not know that it is behind. Members that have
cosigned a newer checkpoint do: `GET /ledger/witnessed` shows it, with this node's own signature, so that
nobody can make one up. Who does not answer in time is named and not waited for.
"""

from __future__ import annotations

import msgspec

from salus.core.errors import MalformedContent, PeerUnavailable
from salus.federation.comparing import WITNESSED_BYTES_MAX, VouchedFor
from salus.federation.fanout import Answers, fan_out
from salus.federation.membership_list import Member
from salus.federation.witnessing import PEER_MS_MAX, Witnesses, exchange
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.store.mirror import Marker

MARKERS_MAX = 10
"""Most checkpoints of this node that are taken from one member: an honest one shows one."""


async def remembered(witnesses: Witnesses) -> Answers[list[Marker]]:
    """Return the checkpoints of this node's log that each other member vouches for, and who is silent."""

    async def ask(member: Member) -> list[Marker]:
        address = f"{member.base_url}/ledger/witnessed"
        answer = await exchange(witnesses.client, "GET", address, bytes_max=WITNESSED_BYTES_MAX)
        try:
            shown = msgspec.json.decode(answer.content, type=VouchedFor)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PeerUnavailable(f"{address} answered nothing that can be read") from error
        notes = [each.note for each in shown.logs if each.node == witnesses.node][:MARKERS_MAX]
        return [marker for note in notes if (marker := _marker(witnesses, note)) is not None]

    return await fan_out(witnesses.others(), ask, deadline_ms=PEER_MS_MAX)


def _marker(witnesses: Witnesses, note: str) -> Marker | None:
    """Return a checkpoint that this node has signed, None for anything else: that says nothing."""
    try:
        found = open_checkpoint(note, witnesses.log)
    except MalformedContent:
        return None
    return Marker(found.size, found.root, note)
