"""The Merkle tree of a log: hashes and the shape of its proofs (RFC 9162 sections 2.1.1, 2.1.3, 2.1.4).

A proof is a list of hashes over ranges of leaves [begin, end). Each range is a row of full subtrees, which is
what a store keeps, so a proof is planned here, its subtrees are fetched in one query, and it is put together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

EMPTY_ROOT = hashlib.sha256(b"").digest()


class Node(NamedTuple):
    """A full subtree: the `position`-th of its `level`, over 2**level leaves; level 0 is a leaf."""

    level: int
    position: int


class Span(NamedTuple):
    """A range of leaves [begin, end)."""

    begin: int
    end: int


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf (32 bytes)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (32 bytes)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def full_nodes(span: Span) -> list[Node]:
    """Return the full subtrees that cover the range, from left to right."""
    nodes: list[Node] = []
    begin = span.begin
    while begin < span.end:
        level = (span.end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        nodes.append(Node(level, begin >> level))
        begin += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over a row of subtrees, those of `full_nodes` in order; the empty tree's for none."""
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def completed(size_before: int, leaves: Sequence[bytes], edge: dict[Node, bytes]) -> dict[Node, bytes]:
    """Return the full subtrees above level 0 that appending the leaf hashes completes.

    Args:
        size_before: leaves in the tree so far.
        leaves: hashes of the new leaves, in order.
        edge: the subtrees of `full_nodes(Span(0, size_before))` with their hashes.
    """
    found: dict[Node, bytes] = {}
    row, first, level = list(leaves), size_before, 0
    sha256 = hashlib.sha256
    while row:
        if first & 1:
            row.insert(0, edge[Node(level, first - 1)])
        row = [
            sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)
        ]
        first, level = first >> 1, level + 1
        for offset, value in enumerate(row):
            found[Node(level, first + offset)] = value
    return found


def inclusion_spans(index: int, size: int) -> list[Span]:
    """Return the ranges whose hashes prove that leaf `index` is in the tree of `size` leaves."""
    assert 0 <= index < size
    spans: list[Span] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(begin, middle))
            begin = middle
    return spans[::-1]


def consistency_spans(before: int, after: int) -> list[Span]:
    """Return the ranges whose hashes prove that the tree of `after` leaves extends that of `before`."""
    assert 0 < before <= after
    spans: list[Span] = []
    begin, end, whole = 0, after, True
    while before != end:
        middle = begin + _split(end - begin)
        if before <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(begin, middle))
            begin, whole = middle, False
    if not whole:
        spans.append(Span(begin, end))
    return spans[::-1]


def _split(count: int) -> int:
    """Return the largest power of two below `count` (>= 2)."""
    return 1 << ((count - 1).bit_length() - 1)
