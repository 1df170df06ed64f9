"""Checkpoints of a log: its size and root hash, signed (https://c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import base64
import binascii
import re

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salus.core.errors import MalformedContent
from salus.standards.merkle.note import Signature, VerifierKey, open_note, sign_note

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_ROOT_BYTES = 32


class Checkpoint(msgspec.Struct, frozen=True):
    """What a log says of itself.

    Args:
        origin: the log's name.
        size: number of leaves.
        root: hash of the tree over them (32 bytes).
        extensions: further lines, opaque.
        cosignatures: the known witnesses that signed it.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    cosignatures: tuple[Signature, ...] = ()


def sign_checkpoint(
    origin: str, size: int, root: bytes, key: Ed25519PrivateKey, extensions: tuple[str, ...] = ()
) -> str:
    """Return the signed note of a checkpoint; an extension is a line that is not empty."""
    assert all(line and "\n" not in line for line in extensions)
    lines = (origin, str(size), base64.b64encode(root).decode(), *extensions)
    return sign_note("\n".join(lines) + "\n", origin, key)


def open_checkpoint(note: str, log: VerifierKey, witnesses: list[VerifierKey] | None = None) -> Checkpoint:
    """Return the checkpoint of the log, whose signature holds, with those of the known witnesses.

    Raises:
        MalformedContent: it is no checkpoint, of another log, or a known signature is missing or broken.
    """
    text, signatures = open_note(note, [log, *(witnesses or [])])
    # A witness vouches for what the log said; without the log's own word there is nothing to vouch for.
    if all(signature.name != log.name or signature.seconds for signature in signatures):
        raise MalformedContent("The log itself did not sign the checkpoint.")
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or lines[0] != log.name or not _SIZE.fullmatch(lines[1]) or "" in lines:
        raise MalformedContent("The note is no checkpoint of this log.")
    return Checkpoint(
        origin=lines[0],
        size=int(lines[1]),
        root=_root(lines[2]),
        extensions=tuple(lines[3:]),
        cosignatures=tuple(s for s in signatures if s.seconds),
    )


def _root(text: str) -> bytes:
    try:
        root = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise MalformedContent("The checkpoint's root is no base64.") from error
    if len(root) != _ROOT_BYTES or base64.b64encode(root).decode() != text:
        raise MalformedContent("The checkpoint's root is no SHA-256 hash.")
    return root
