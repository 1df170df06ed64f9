"""Verification of proofs (RFC 9162 sections 2.1.3.2 and 2.1.4.2): arithmetic only, no tree needed."""

from __future__ import annotations

from collections.abc import Sequence

from salus.standards.merkle.tree import node_hash

_HASH_BYTES = 32


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Return whether the proof shows the leaf hash at `index` of the tree of `size` leaves and that root."""
    if not 0 <= index < size or not _are_hashes(leaf, root, *proof):
        return False
    position, last = index, size - 1
    result = leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and result == root


def verify_consistency(
    before: int, after: int, root_before: bytes, root_after: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether the proof shows that the second tree only appends to the first.

    Two trees of one size need the same root and an empty proof. About an empty tree nothing is provable.
    """
    if not 0 < before <= after:
        return False
    if before == after:
        return not proof and root_before == root_after and bool(root_before)
    if not proof or not _are_hashes(root_before, root_after, *proof):
        return False
    path = [root_before, *proof] if before & (before - 1) == 0 else list(proof)
    position, last = before - 1, after - 1
    while position & 1:
        position >>= 1
        last >>= 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and first == root_before and second == root_after


def _are_hashes(*values: bytes) -> bool:
    return all(len(value) == _HASH_BYTES for value in values)
