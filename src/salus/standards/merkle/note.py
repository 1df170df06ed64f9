"""Signed notes with Ed25519 keys (https://c2sp.org/signed-note) and cosignatures (https://c2sp.org/tlog-cosignature).

A note is a text, a blank line and signature lines "— <key name> <base64>". A verifier key is written
"<name>+<key id in hexadecimal>+<base64 of algorithm byte and public key>".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from salus.core.errors import MalformedContent

_ED25519, _COSIGNATURE = 0x01, 0x04
_NAME = re.compile(r"[^\s+]+")
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_LINES_MAX = 100
_BYTES_MAX = 1_000_000


class VerifierKey(msgspec.Struct, frozen=True):
    """A public key and the name it signs under; `algorithm` is 1 for a log, 4 for a witness."""

    name: str
    algorithm: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, algorithm, public key)."""
        return hashlib.sha256(self.name.encode() + bytes((0x0A, self.algorithm)) + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as a verifier writes it down."""
        key = base64.b64encode(bytes((self.algorithm,)) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{key}"


class Signature(msgspec.Struct, frozen=True):
    """A signature that held: by whom; for a witness, when (seconds since 1970), else 0."""

    name: str
    seconds: int


def parse_key(text: str) -> VerifierKey:
    """Return the verifier key. Raises MalformedContent."""
    parts = text.split("+", 2)
    key = _decode(parts[2]) if len(parts) == 3 else b""
    if len(key) != 33 or key[0] not in (_ED25519, _COSIGNATURE) or not _NAME.fullmatch(parts[0]):
        raise MalformedContent("This is no Ed25519 verifier key of a log or witness (C2SP signed-note).")
    found = VerifierKey(parts[0], key[0], key[1:])
    if found.id.hex() != parts[1]:
        raise MalformedContent("The verifier key's id does not match its name and key; it was altered.")
    return found


def log_key(name: str, key: Ed25519PrivateKey) -> VerifierKey:
    """Return the verifier key of a log that signs with `key` under `name`."""
    assert _NAME.fullmatch(name), "a key name has no space and no plus"
    return VerifierKey(name, _ED25519, key.public_key().public_bytes_raw())


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Return the note of the text (which ends with a newline) with the log's signature."""
    assert text.endswith("\n")
    signature = log_key(name, key).id + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(signature).decode()}\n"


def witness_key(name: str, key: Ed25519PrivateKey) -> VerifierKey:
    """Return the verifier key of a witness that cosigns with `key` under `name`."""
    assert _NAME.fullmatch(name), "a key name has no space and no plus"
    return VerifierKey(name, _COSIGNATURE, key.public_key().public_bytes_raw())


def cosign(note: str, name: str, key: Ed25519PrivateKey, *, seconds: int) -> str:
    """Return a witness's signature line for a log's signed note (https://c2sp.org/tlog-cosignature, v1).

    Args:
        note: the checkpoint, its log's signature verified by the caller.
        name: of the witness.
        key: of the witness.
        seconds: the present, in seconds since 1970, which the witness vouches for.
    """
    text, _ = _split(note)
    signature = seconds.to_bytes(8) + key.sign(_cosigned(text, seconds))
    return f"— {name} {base64.b64encode(witness_key(name, key).id + signature).decode()}\n"


def open_note(note: str, keys: list[VerifierKey]) -> tuple[str, list[Signature]]:
    """Return the note's text and the signatures of known keys, all of which hold.

    Raises:
        MalformedContent: it is no note, no known key signed it, or a known key's signature is broken.
    """
    text, lines = _split(note)
    known = {(key.name, key.id): key for key in keys}
    signatures: dict[tuple[str, bytes], Signature] = {}
    for line in lines:
        found = _LINE.fullmatch(line)
        signature = _decode(found[2]) if found is not None else b""
        if found is None or len(signature) < 5:
            raise MalformedContent("A signature line of the note is malformed.")
        key = known.get((found[1], signature[:4]))
        if key is not None:
            signatures.setdefault((key.name, key.id), _verified(key, text, signature[4:]))
    if not signatures:
        raise MalformedContent("No known key signed the note.")
    return text, list(signatures.values())


def _split(note: str) -> tuple[str, list[str]]:
    if len(note) > _BYTES_MAX or not note.endswith("\n") or _CONTROL.search(note):
        raise MalformedContent("This is no signed note: too long, no final newline, or control characters.")
    body, blank, signatures = note.rpartition("\n\n")
    lines = signatures.removesuffix("\n").split("\n")
    if not blank or not signatures or len(lines) > _LINES_MAX:
        raise MalformedContent("The note has no signatures after a blank line, or too many.")
    return body + "\n", lines


def _verified(key: VerifierKey, text: str, signature: bytes) -> Signature:
    message, seconds = text.encode(), 0
    if key.algorithm == _COSIGNATURE:
        seconds = int.from_bytes(signature[:8])
        if not seconds:
            raise MalformedContent(f"The cosignature of {key.name} says no time.")
        message = _cosigned(text, seconds)
        signature = signature[8:]
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except InvalidSignature as error:
        raise MalformedContent(f"The signature of {key.name} on the note is broken.") from error
    return Signature(key.name, seconds)


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _decode(text: str) -> bytes:
    """Return the bytes of canonical base64, b"" when it is none."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return content if base64.b64encode(content).decode() == text else b""
