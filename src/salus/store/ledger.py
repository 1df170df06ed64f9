"""The audit's leaves: how one is written, by whom, and how they are read back.

An entry is the leaf as JSON with a random salt before it, so that its hash in the tree tells nothing to
those who do not have the entry. It is sealed before it is stored (`store.sealing`). Data and leaf are one
transaction for a write; `Journal` makes the leaf of a read durable before the answer leaves.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Sequence

import msgspec

from salus.core.access import Grant, Leaf, Outcome
from salus.core.randomness import RandomTexts
from salus.store.notices import TOLD, is_told, notice_of, tell
from salus.store.postgres import Connection
from salus.store.sealing import seal_of

_APPEND = "SELECT append_leaves($1, $2, $3, $4, $5)"
_SALTS = RandomTexts(16, lambda salt: binascii.b2a_base64(salt, newline=False).decode("ascii"))
_encoder = msgspec.json.Encoder()


class Entry(msgspec.Struct, frozen=True):
    """The bytes that are hashed: JSON of these fields in this order; `salt` is base64 of 16 random bytes."""

    salt: str
    leaf: Leaf


def encode_entries(leaves: Sequence[Leaf]) -> list[bytes]:
    """Return the leaves' entries, each with a fresh salt."""
    return [_encoder.encode(Entry(_SALTS.next(), leaf)) for leaf in leaves]


def decode_entry(entry: bytes) -> Leaf:
    """Return the leaf of an entry in clear."""
    return msgspec.json.decode(entry, type=Entry).leaf


def leaf_in(connection: Connection, entry: bytes) -> Leaf:
    """Return the leaf of an entry as the database behind the connection holds it: sealed, or in clear."""
    return decode_entry(seal_of(connection).open(entry))


def leaf_of(grant: Grant, patient: str, *, what: str, resources: int, outcome: Outcome) -> Leaf:
    """Return the leaf for one patient of what was done under the grant."""
    caller = grant.caller
    return Leaf(
        at=grant.opened_at,
        request=grant.request,
        patient=patient,
        subject=caller.subject,
        name=caller.name,
        role=caller.role,
        organisation=caller.organisation,
        node=caller.node or "",
        purpose=caller.purpose,
        action=grant.action,
        what=what,
        resources=resources,
        outcome=outcome,
        rule=grant.rule,
        marks=grant.marks,
        country=grant.country,
        app=caller.app,
        asked=grant.asked or caller.asked,
        organisation_id=caller.organisation_id,
    )


async def append(connection: Connection, leaves: Sequence[Leaf]) -> None:
    """Insert the leaves, unsequenced, in the caller's transaction, with the notices they give rise to."""
    told = [leaf for leaf in leaves if leaf.marks and TOLD.intersection(leaf.marks)]
    if told:
        async with connection.transaction():
            await _insert(connection, leaves)
            await tell(connection, [notice_of(leaf) for leaf in told if is_told(leaf)])
    elif leaves:
        await _insert(connection, leaves)


async def _insert(connection: Connection, leaves: Sequence[Leaf]) -> None:
    entries = encode_entries(leaves)
    await connection.fetchrow(
        _APPEND,
        [leaf.patient for leaf in leaves],
        [leaf.at for leaf in leaves],
        seal_of(connection).close(entries),
        [hashlib.sha256(entry).digest() for entry in entries],
        [leaf.request for leaf in leaves],
    )
