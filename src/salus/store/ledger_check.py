"""Checking the whole ledger against its own checkpoints: entries, chains, roots, signatures.

What leaves this module is which leaf is wrong, never what it says, so no grant is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count

import asyncpg
import msgspec

from salus.core.errors import MalformedContent
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.standards.merkle.note import VerifierKey
from salus.standards.merkle.tree import Node, Span, completed, fold, full_nodes
from salus.store.chain_check import Chains, chains_of
from salus.store.postgres import Connection, Database
from salus.store.sequencer import KEPT_EVERY, nodes_of

_LEAVES_AT_ONCE = 20_000
_CHECKPOINTS_AT_ONCE = 1_000
_FAULTS_MAX = 100

_START = "SELECT size, root, note FROM checkpoint WHERE signed_at <= $1 ORDER BY size DESC LIMIT 1"
_NEWEST = "SELECT size, signed_at, settled FROM checkpoint ORDER BY size DESC LIMIT 1"
_CHECKPOINTS = """
SELECT size, root, note FROM checkpoint WHERE size > $1 AND size <= $2 ORDER BY size LIMIT $3
"""
_LEAVES = """
SELECT leaf_index.index, leaf_index.patient, leaf_index.hash, leaf_index.count, leaf.entry
FROM leaf_index LEFT JOIN leaf ON leaf.patient = leaf_index.patient AND leaf.arrival = leaf_index.arrival
WHERE leaf_index.index >= $1 AND leaf_index.index < $2 ORDER BY leaf_index.index
"""
_KEPT = """
SELECT level, position, hash FROM tree_node
WHERE (level, position) IN (SELECT * FROM unnest($1::int2[], $2::int8[]))
"""
_HELD = """
SELECT 0 AS level, count(*) FROM leaf_index WHERE index < $1
UNION ALL SELECT level, count(*) FROM tree_node WHERE position < $1 >> level GROUP BY level
"""
_OUTSIDE = """
SELECT count(*) FROM leaf
WHERE arrival {} $1 AND NOT EXISTS (SELECT FROM leaf_index taken WHERE taken.arrival = leaf.arrival)
"""


class Checked(msgspec.Struct, frozen=True):
    """What a check found.

    Args:
        begin: leaves below this index were taken as their checkpoint says.
        end: leaves from here on were not checked.
        checkpoints: how many were compared.
        faults: what is wrong, in sentences that name the leaf; empty when nothing is.
    """

    begin: int
    end: int
    checkpoints: int
    faults: tuple[str, ...]


class State(msgspec.Struct, frozen=True):
    """How far the log is: leaves under the newest checkpoint, when it was signed, leaves that wait."""

    size: int
    signed_at: datetime | None
    waiting: int


async def state_of(database: Database) -> State:
    """Return how far the log is."""
    await database.bring_in()
    async with database.system() as connection:
        newest = await connection.fetchrow(_NEWEST)
        waiting = await connection.fetchval(_OUTSIDE.format(">"), newest["settled"] if newest else 0)
    return State(newest["size"], newest["signed_at"], waiting) if newest else State(0, None, waiting)


async def check_log(
    database: Database,
    log: VerifierKey,
    pseudonyms: bytes,
    *,
    since: datetime | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Checked:
    """Compare the log with every checkpoint that it signed.

    The check ends at the first checkpoint whose root is not the tree's: all later ones depend on it. It sees
    one state of the database throughout: a node that serves goes on sequencing meanwhile.

    Args:
        database: holds the log.
        log: the key that must have signed the checkpoints.
        pseudonyms: key of the persons' names in the log.
        since: begin at the newest checkpoint that is not younger; None for the first leaf.
        told: called with leaves checked and leaves in all, now and then.
    """
    async with database.system() as connection, connection.transaction(isolation="repeatable_read"):
        newest = await connection.fetchrow(_NEWEST)
        if newest is None:
            return Checked(0, 0, 0, ())
        check = _Check(connection, log, await chains_of(connection, pseudonyms))
        if since is not None:
            await check.begin_at(await connection.fetchrow(_START, since))
        begin = check.size
        while check.size < newest["size"] and check.holds:
            await check.go_on(newest["size"])
            told(check.size, newest["size"])
        if check.holds:
            await check.compare_map()
        lost = await connection.fetchval(_OUTSIDE.format("<="), newest["settled"])
    if lost:
        check.fault(f"{lost} leaves were written and never came into the log.")
    return Checked(begin, check.size, check.checkpoints, tuple(check.faults))


class _Check:
    """A check under way: `size` leaves are known to make the root of their checkpoint, by `edge`."""

    def __init__(self, connection: Connection, log: VerifierKey, chains: Chains) -> None:
        self.size = 0
        self.checkpoints = 0
        self.faults: list[str] = []
        self.holds = True
        self._connection = connection
        self._log = log
        self._chains = chains
        self._signed: tuple[str, ...] | None = None
        self._edge: dict[Node, bytes] = {}

    def fault(self, sentence: str) -> None:
        """Write down what is wrong."""
        if len(self.faults) < _FAULTS_MAX:
            self.faults.append(sentence)

    async def begin_at(self, checkpoint: asyncpg.Record | None) -> None:
        """Take the leaves under a checkpoint as it says, once the kept subtrees make its root."""
        if checkpoint is None:
            return
        size = checkpoint["size"]
        held = {row["level"]: row["count"] for row in await self._connection.fetch(_HELD, size)}
        if any(held.get(level, 0) < size >> level for level in range(0, size.bit_length(), KEPT_EVERY)):
            self.fault(f"Parts of the tree under the first {size} leaves are missing; verify the whole log.")
            self.holds = False
            return
        self._edge = await nodes_of(self._connection, full_nodes(Span(0, size)))
        self.size = size
        self._compare(checkpoint, fold(list(self._edge.values())))
        await self._chains.begin_at(self._connection, size)

    async def go_on(self, until: int) -> None:
        """Check the leaves of the next checkpoints."""
        known = await self._connection.fetch(_CHECKPOINTS, self.size, until, _CHECKPOINTS_AT_ONCE)
        near = [each for each in known if each["size"] <= self.size + _LEAVES_AT_ONCE] or known[:1]
        rows = await self._connection.fetch(_LEAVES, self.size, near[-1]["size"])
        absent = _first_absent(rows, self.size, near[-1]["size"])
        begin = self.size
        for checkpoint in near:
            if absent is not None and absent < checkpoint["size"]:
                self.fault(f"Leaf {absent} is missing from the log.")
                self.holds = False
                return
            await self._grow(checkpoint, rows[self.size - begin : checkpoint["size"] - begin])
            if not self.holds:
                return

    async def compare_map(self) -> None:
        """Compare the map of persons with the chains of the leaves."""
        for wrong in await self._chains.faults_of_map(self._connection, self.size, self._signed):
            self.fault(wrong)

    async def _grow(self, checkpoint: asyncpg.Record, rows: list[asyncpg.Record]) -> None:
        for row in rows:
            wrong = self._chains.fault_of(row)
            if wrong:
                self.fault(wrong)
        size, hashes = checkpoint["size"], [row["hash"] for row in rows]
        new = completed(self.size, hashes, self._edge)
        leaves = zip((Node(0, index) for index in count(self.size)), hashes, strict=False)
        known = self._edge | new | dict(leaves)
        edge = {node: known[node] for node in full_nodes(Span(0, size))}
        holds = self._compare(checkpoint, fold(list(edge.values())))
        differing = await self._differing(new)
        if holds:
            for node in differing:
                self.fault(
                    f"The subtree {node.position} of level {node.level} is not kept as its leaves make it."
                )
            self.size, self._edge = size, edge
        else:
            lowest = [node for node in differing if node.level == KEPT_EVERY]
            for span in map(_leaves_below, lowest) if lowest else [Span(self.size, size)]:
                self.fault(f"A leaf from {span.begin} to {span.end - 1} is not the one that was signed.")

    def _compare(self, checkpoint: asyncpg.Record, root: bytes) -> bool:
        size, signed_root = checkpoint["size"], checkpoint["root"]
        self.checkpoints += 1
        try:
            signed = open_checkpoint(checkpoint["note"], self._log)
        except MalformedContent as error:
            self._signed = None
            self.fault(f"The checkpoint over {size} leaves is not this log's. {error.message}")
        else:
            signed_root, self._signed = signed.root, signed.extensions
            if (signed.size, signed.root) != (size, checkpoint["root"]):
                self.fault(f"The checkpoint over {size} leaves is not kept as it was signed.")
        self.holds = root == signed_root
        if not self.holds:
            self.fault(f"The first {size} leaves do not make the root that was signed for them.")
        return self.holds

    async def _differing(self, new: dict[Node, bytes]) -> list[Node]:
        """Return the subtrees that the database keeps otherwise than the leaves make them."""
        wanted = [node for node in new if node.level % KEPT_EVERY == 0]
        if not wanted:
            return []
        columns = [list(column) for column in zip(*wanted, strict=True)]
        rows = await self._connection.fetch(_KEPT, *columns)
        kept = {Node(row["level"], row["position"]): row["hash"] for row in rows}
        return [node for node in sorted(wanted) if kept.get(node) != new[node]]


def _leaves_below(node: Node) -> Span:
    return Span(node.position << node.level, (node.position + 1) << node.level)


def _first_absent(rows: list[asyncpg.Record], begin: int, end: int) -> int | None:
    """Return the first index of [begin, end) that no row has."""
    if len(rows) == end - begin:
        return None
    there = {row["index"] for row in rows}
    return next(index for index in range(begin, end) if index not in there)
