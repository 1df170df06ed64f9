"""A witness signs what only grows, by the rules of C2SP tlog-witness, and tells why it does not."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.spec.rfc9162 import root_of

from salus.core.errors import MalformedContent
from salus.standards.merkle.checkpoint import Checkpoint, sign_checkpoint
from salus.standards.merkle.tree import Span, consistency_spans, fold, full_nodes, leaf_hash
from salus.standards.merkle.witness import (
    NOTHING,
    Seen,
    Submission,
    Verdict,
    judge,
    read_submission,
    write_submission,
)

ENTRIES = [bytes([number]) for number in range(13)]
OTHERS = [*ENTRIES[:3], b"another", *ENTRIES[4:]]
KEY = Ed25519PrivateKey.generate()


def checkpoint(size, entries=ENTRIES):
    return Checkpoint("log.test", size, root_of(entries[:size]))


def seen(size, entries=ENTRIES):
    return Seen(size, root_of(entries[:size])) if size else NOTHING


def proof(before, after, entries=ENTRIES):
    if not 0 < before < after:
        return []
    return [root_of(entries[span.begin : span.end]) for span in consistency_spans(before, after)]


def test_the_proofs_of_this_test_are_those_of_the_tree():
    (span,) = consistency_spans(4, 8)
    assert span == Span(4, 8)
    assert fold([root_of(ENTRIES[4:8])]) == root_of(ENTRIES[4:8])
    assert full_nodes(Span(0, 1))[0].level == 0
    assert root_of([b"x"]) == leaf_hash(b"x")


CASES = {
    "the first": (seen(0), 0, [], checkpoint(7), Verdict.GOOD),
    "grown": (seen(3), 3, proof(3, 7), checkpoint(7), Verdict.GOOD),
    "the same again": (seen(7), 7, [], checkpoint(7), Verdict.GOOD),
    "from another size than the witness knows": (seen(7), 3, proof(3, 9), checkpoint(9), Verdict.OTHER_SIZE),
    "from the first, though the witness knows it": (seen(7), 0, [], checkpoint(9), Verdict.OTHER_SIZE),
    "from a size that the witness never saw": (seen(0), 3, proof(3, 7), checkpoint(7), Verdict.OTHER_SIZE),
    "a smaller one": (seen(7), 3, proof(3, 5), checkpoint(5), Verdict.OTHER_SIZE),
    "old larger than new": (seen(7), 7, [], checkpoint(5), Verdict.OLD_IS_LARGER),
    "without the proof": (seen(3), 3, [], checkpoint(7), Verdict.NO_PROOF),
    "a first one with a proof": (seen(0), 0, [bytes(32)], checkpoint(7), Verdict.NO_PROOF),
    "another history that grew": (seen(5), 5, proof(5, 9, OTHERS), checkpoint(9, OTHERS), Verdict.NO_PROOF),
    "another history of one size": (seen(7), 7, [], checkpoint(7, OTHERS), Verdict.FORK),
    "another history, old not told": (seen(7), 0, [], checkpoint(7, OTHERS), Verdict.FORK),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_witness_judges(case):
    known, old, hashes, shown, verdict = case
    assert judge(known, Submission(old, hashes, ""), shown) is verdict


def test_a_submission_is_read_as_it_was_written():
    note = sign_checkpoint("log.test", 7, bytes(32), KEY, ("further line",))
    sent = Submission(3, [bytes(32), b"x" * 32], note)
    assert read_submission(write_submission(sent)) == sent
    assert write_submission(sent).decode().startswith(f"old 3\n{'A' * 43}=\n")


@pytest.mark.parametrize(
    "body",
    [b"", b"old 3\n", b"old 03\n\nx\n", b"old -1\n\nx\n", b"old 3\n?\n\nx\n", b"\xff\n\nx\n",
     b"size 3\n\nx\n", b"old 3\n" + b"AAAA\n" * 64 + b"\nx\n"],
)  # fmt: skip
def test_what_is_not_of_the_form_is_refused(body):
    with pytest.raises(MalformedContent):
        read_submission(body)
