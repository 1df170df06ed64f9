"""Sealing the audit's records: AES-256-GCM under the audit key, which is outside the database.

A sealed record is the byte 0x01, four bytes that name the key, a random nonce of 12 bytes, the ciphertext and
its tag. A record in clear begins with "{": a node that was upgraded has such ones. What the log commits to is
the record in clear, so that proofs outlive a change of key.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from salus.core.errors import StorageUnavailable
from salus.store.pool import Connection

KEY_BYTES = 32
_SEALED = b"\x01"
_NONCE_BYTES = 12
_HEAD_BYTES = 5
_ABOUT = b"salus/entry/v1"


class Seal:
    """Seals with its first key (32 bytes each), opens with any; without keys it leaves records in clear."""

    __slots__ = ("_ciphers", "_name")

    def __init__(self, *keys: bytes) -> None:
        """Take the keys, the newest first."""
        self._ciphers = {_name_of(key): AESGCM(key) for key in keys}
        self._name = _name_of(keys[0]) if keys else b""

    def close(self, records: Sequence[bytes]) -> list[bytes]:
        """Return the records sealed."""
        if not self._name:
            return list(records)
        cipher, head = self._ciphers[self._name], _SEALED + self._name
        nonces = os.urandom(_NONCE_BYTES * len(records))
        sealed = []
        for place, record in enumerate(records):
            nonce = nonces[place * _NONCE_BYTES : (place + 1) * _NONCE_BYTES]
            sealed.append(head + nonce + cipher.encrypt(nonce, record, _ABOUT))
        return sealed

    def open(self, record: bytes) -> bytes:
        """Return a record in clear.

        Raises:
            StorageUnavailable: it was sealed with another key, or changed.
        """
        if not record.startswith(_SEALED):
            return record
        name, nonce = record[1:_HEAD_BYTES], record[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES]
        cipher = self._ciphers.get(name)
        try:
            if cipher is not None:
                return cipher.decrypt(nonce, record[_HEAD_BYTES + _NONCE_BYTES :], _ABOUT)
        except (InvalidTag, ValueError) as error:
            raise StorageUnavailable(
                "A record of the audit was changed in the database; run `salus ledger verify`."
            ) from error
        raise StorageUnavailable(
            "A record of the audit was sealed with a key that keys/audit.key does not hold; restore the file."
        )


IN_CLEAR = Seal()


def seal_of(connection: Connection) -> Seal:
    """Return the seal of the database that a connection leads to."""
    found: Seal = getattr(connection, "seal", IN_CLEAR)
    return found


def _name_of(key: bytes) -> bytes:
    assert len(key) == KEY_BYTES
    return hashlib.sha256(b"salus/audit-key/v1" + key).digest()[:4]
