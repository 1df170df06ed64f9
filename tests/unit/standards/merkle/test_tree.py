"""Trees, the proofs planned over them, and checkpoints of our own."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.spec.rfc9162 import root_of

from salus.core.errors import MalformedContent
from salus.standards.merkle.checkpoint import open_checkpoint, sign_checkpoint
from salus.standards.merkle.note import log_key, parse_key
from salus.standards.merkle.proof import verify_consistency, verify_inclusion
from salus.standards.merkle.tree import (
    EMPTY_ROOT,
    Node,
    Span,
    completed,
    consistency_spans,
    fold,
    full_nodes,
    inclusion_spans,
    leaf_hash,
)

ENTRIES = [bytes([number]) * number for number in range(40)]


def grown(sizes):
    """Return the subtrees of a tree that grew by the given numbers of leaves."""
    nodes, size = {}, 0
    for more in sizes:
        leaves = [leaf_hash(entry) for entry in ENTRIES[size : size + more]]
        edge = {node: nodes[node] for node in full_nodes(Span(0, size))}
        new = completed(size, leaves, edge)
        nodes |= {Node(0, size + offset): value for offset, value in enumerate(leaves)} | new
        size += more
    return nodes


def hashed(nodes, span):
    return fold([nodes[node] for node in full_nodes(span)])


def test_the_empty_tree_has_the_hash_of_nothing():
    # RFC 9162 section 2.1.1
    assert root_of([]) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("sizes", [[40], [1] * 40, [3, 5, 8, 13, 11], [32, 8]])
def test_a_tree_is_the_same_however_it_grew(sizes):
    nodes = grown(sizes)
    for size in range(1, 41):
        assert hashed(nodes, Span(0, size)) == root_of(ENTRIES[:size])


def test_every_planned_proof_verifies_and_no_other_leaf_does():
    nodes = grown([40])
    for size in range(1, 41):
        root = root_of(ENTRIES[:size])
        for index in range(size):
            proof = [hashed(nodes, span) for span in inclusion_spans(index, size)]
            assert verify_inclusion(leaf_hash(ENTRIES[index]), index, size, proof, root)
            assert not verify_inclusion(leaf_hash(b"forged"), index, size, proof, root)
        for before in range(1, size + 1):
            proof = [hashed(nodes, span) for span in consistency_spans(before, size)]
            assert verify_consistency(before, size, root_of(ENTRIES[:before]), root, proof)
            assert not verify_consistency(before, size, root_of([b"x", *ENTRIES[1:before]]), root, proof)


def test_a_checkpoint_of_ours_opens_with_the_written_key_and_no_other():
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    written = log_key("salus.test/pt", key).text
    note = sign_checkpoint("salus.test/pt", 7, bytes(32), key)
    found = open_checkpoint(note, parse_key(written))
    assert (found.origin, found.size, found.root) == ("salus.test/pt", 7, bytes(32))
    for wrong in (log_key("salus.test/pt", other), log_key("salus.test/ee", key)):
        with pytest.raises(MalformedContent):
            open_checkpoint(note, wrong)
    with pytest.raises(MalformedContent):
        open_checkpoint(note.replace("\n7\n", "\n8\n"), parse_key(written))
