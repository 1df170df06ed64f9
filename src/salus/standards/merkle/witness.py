"""What a log sends its witness, and what the witness makes of it (https://c2sp.org/tlog-witness).

A body is the line "old SIZE", the consistency proof from that size (a hash in base64 a line), an empty line
and the checkpoint's signed note.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from salus.core.errors import MalformedContent
from salus.standards.merkle.checkpoint import Checkpoint
from salus.standards.merkle.proof import verify_consistency

PROOF_LINES_MAX = 63
BODY_BYTES_MAX = 64 * 1024
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


class Seen(NamedTuple):
    """A state of a log that a witness has vouched for: number of leaves, root of the tree."""

    size: int
    root: bytes


NOTHING = Seen(0, b"")
"""Of a log that the witness has not vouched for."""


class Submission(NamedTuple):
    """What a log sends: the size that its proof starts from, the proof, the signed note."""

    old: int
    proof: list[bytes]
    note: str


class Verdict(Enum):
    """What a witness finds. `FORK` and `NO_PROOF` of a log's own signature are evidence against it."""

    GOOD = 200
    OLD_IS_LARGER = 400
    OTHER_SIZE = 409
    FORK = 410
    NO_PROOF = 422


def write_submission(sent: Submission) -> bytes:
    """Return the body that carries the checkpoint and its proof."""
    lines = [f"old {sent.old}", *(base64.b64encode(each).decode() for each in sent.proof)]
    return ("\n".join(lines) + "\n\n" + sent.note).encode()


def read_submission(body: bytes) -> Submission:
    """Return what a body says.

    Raises:
        MalformedContent: it is not of the form.
    """
    try:
        head, blank, note = body.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError as error:
        raise MalformedContent("The body of add-checkpoint is UTF-8 text (C2SP tlog-witness).") from error
    first, *lines = head.split("\n")
    found = _OLD.fullmatch(first)
    if found is None or not blank or len(lines) > PROOF_LINES_MAX:
        raise MalformedContent(
            "The body of add-checkpoint is 'old SIZE', at most 63 proof lines, an empty line and a "
            "checkpoint (C2SP tlog-witness)."
        )
    try:
        proof = [base64.b64decode(line, validate=True) for line in lines]
    except binascii.Error as error:
        raise MalformedContent("A line of the consistency proof is no base64.") from error
    return Submission(int(found[1]), proof, note)


def judge(seen: Seen, sent: Submission, checkpoint: Checkpoint) -> Verdict:
    """Return what a witness makes of a checkpoint whose log's signature holds.

    Args:
        seen: what the witness has vouched for.
        sent: the proof, and from where.
        checkpoint: the opened note.
    """
    if sent.old > checkpoint.size:
        return Verdict.OLD_IS_LARGER
    if seen.size == checkpoint.size and seen.size and seen.root != checkpoint.root:
        return Verdict.FORK
    if sent.old != seen.size:
        return Verdict.OTHER_SIZE
    return Verdict.GOOD if is_grown(seen, checkpoint, sent.proof) else Verdict.NO_PROOF


def is_grown(seen: Seen, checkpoint: Checkpoint, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that the checkpoint's tree only appends to what was seen."""
    if not seen.size:
        return not proof
    return verify_consistency(seen.size, checkpoint.size, seen.root, checkpoint.root, proof)
