"""Checking each person's chain of leaves, and the map that says where they end (docs/decisions/0017)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import asyncpg

from salus.core.errors import StorageUnavailable
from salus.standards.merkle.link import NO_LEAF, Link, pseudonym
from salus.standards.merkle.persons import Person, root_of
from salus.standards.merkle.tree import leaf_hash
from salus.store.person_map import way_to
from salus.store.postgres import Connection
from salus.store.sealing import Seal, seal_of
from salus.store.sequencer import extensions_of

_ENDS = """
SELECT DISTINCT ON (patient) patient, count, hash FROM leaf_index
WHERE index < $1 AND count IS NOT NULL ORDER BY patient, count DESC
"""
_START = "SELECT index FROM link_start"


class Chains:
    """Where each person's chain ends so far; all persons of the log are held in memory."""

    def __init__(self, key: bytes, start: int, seal: Seal) -> None:
        """Begin at the first leaf; `key` is of the pseudonyms, links begin at leaf `start`."""
        self._key = key
        self._seal = seal
        self._start = start
        self._ends: dict[str, tuple[int, bytes]] = {}

    async def begin_at(self, connection: Connection, size: int) -> None:
        """Take the chains of the first `size` leaves as the database has them."""
        rows = await connection.fetch(_ENDS, size)
        self._ends = {row["patient"]: (row["count"], row["hash"]) for row in rows}

    def fault_of(self, row: asyncpg.Record) -> str:
        """Return what is wrong with a leaf (index, patient, hash, count, entry), "" when nothing is."""
        index, entry = row["index"], row["entry"]
        linked = index >= self._start
        count, previous = self._ends.get(row["patient"], (0, NO_LEAF))
        if linked:
            self._ends[row["patient"]] = (count + 1, row["hash"])
        if linked and row["count"] != count + 1:
            return f"Leaf {index} is not number {count + 1} of its person, as the leaves before it make it."
        if entry is None:
            return f"The entry of leaf {index} is missing."
        try:
            committed = self._seal.open(entry)
        except StorageUnavailable as error:
            return f"The entry of leaf {index} cannot be opened. {error.message}"
        if linked:
            name = pseudonym(self._key, row["patient"])
            committed = Link(name, count + 1, previous, hashlib.sha256(committed).digest()).text.encode()
        if leaf_hash(committed) != row["hash"]:
            return f"The entry of leaf {index} was changed: the log holds another one."
        return ""

    async def faults_of_map(
        self, connection: Connection, size: int, signed: Sequence[str] | None
    ) -> list[str]:
        """Return what is wrong with the map of persons.

        Args:
            connection: to the log.
            size: leaves whose chains are known.
            signed: the further lines of the checkpoint over them, None where the log did not sign it.
        """
        if size <= self._start:
            return []
        ends = [
            Person(pseudonym(self._key, patient), count, head)
            for patient, (count, head) in self._ends.items()
        ]
        root = root_of(ends)
        found = []
        if signed is not None and tuple(signed) != extensions_of(self._start, root):
            found.append(f"The checkpoint over {size} leaves signs another map of persons than they make.")
        if (await way_to(connection, [])).root != root:
            found.append("The map of persons is not kept as the leaves make it.")
        return found


async def chains_of(connection: Connection, key: bytes) -> Chains:
    """Return the chains of the log before its first leaf."""
    start = await connection.fetchval(_START)
    return Chains(key, 2**63 - 1 if start is None else start, seal_of(connection))
