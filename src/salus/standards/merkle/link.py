"""A leaf's place in the chain of the person it is about: docs/decisions/0017.

The tree's leaf is the hash of the link's bytes; the link commits to the record of the access by its hash.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from salus.standards.merkle.tree import leaf_hash

NO_LEAF = bytes(32)
"""What the first link of a chain names as the leaf before."""


class Link(NamedTuple):
    """One link.

    person: pseudonym (32 bytes). number: of the leaf among the person's, from 1.
    previous: hash of the person's leaf before, `NO_LEAF` for the first. entry: SHA-256 of the record.
    """

    person: bytes
    number: int
    previous: bytes
    entry: bytes

    @property
    def text(self) -> str:
        """The bytes that are hashed, as text."""
        return (
            f"salus/leaf/v1\n{self.person.hex()}\n{self.number}\n{self.previous.hex()}\n{self.entry.hex()}\n"
        )

    @property
    def leaf(self) -> bytes:
        """The hash of the leaf (32 bytes)."""
        return leaf_hash(self.text.encode())


def pseudonym(key: bytes, patient: str) -> bytes:
    """Return a patient's name in the log (32 bytes): HMAC-SHA-256 of the logical id under the node's key."""
    return hmac.digest(key, patient.encode(), hashlib.sha256)
