"""Sealing contents at rest: AES-256-GCM under the key of whose record they are in (docs/decisions/0028).

A sealed content is eight bytes that no content begins with (the last says whether it was deflated), the id
of its key, a random nonce of 12 bytes, the ciphertext and its tag; what stands before the nonce is
authenticated. It is opened in one place, where a connection reads a bytea (`opens`); what is not sealed
passes. Whose key that is: a citizen's by "Patient/ID" (`record_of`); `SHARED` for what lies in no record;
"quarantine/DAY" for refused input about nobody known; "export/JOB" for the files of an export.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from time import monotonic

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from salus.core.errors import KeyMissing
from salus.store.keystore import ID_BYTES, NONCE_BYTES, KeyStore, WrappedKey
from salus.store.pool import Connection

_MAGIC = b"\x00salus\x01"
PLAIN, DEFLATED = _MAGIC + b"\x00", _MAGIC + b"\x01"
_FORM_BYTES = len(PLAIN)
_HEAD_BYTES = _FORM_BYTES + ID_BYTES
_NONCE_END = _HEAD_BYTES + NONCE_BYTES
EXPORTS, DAYS = "export/", "quarantine/"
"""Begin the names of the keys of exports, and of refused input about nobody known: one for each day."""
SHARED = "node/shared"
"""What lies in no record, and is about nobody or about several, is sealed with one key of this name."""
OPENS_SECONDS, SEALS_SECONDS = 30.0, 1.0
"""How long a key opens and seals before the key store is asked again: a destroyed one is gone by then "
"everywhere."""
KNOWN_MAX = 20_000
"""Most opened keys in the memory of a process."""
DEFLATED_FROM, DEFLATED_TO = 2_000, 1 << 20
"""Contents of these sizes are deflated before they are sealed: PostgreSQL can no longer."""
_OPENED_MAX = 1 << 30
_LEVEL = 1


class Sealed(bytes):
    """Bytes that were sealed here; no others with their beginning reach the database."""

    __slots__ = ()


class _Known:
    """An opened key: since when, and how it is wrapped if the key store may not have it yet."""

    __slots__ = ("cipher", "head", "new", "since", "whose")

    def __init__(self, key: WrappedKey, plain: bytes, *, is_new: bool) -> None:
        self.cipher, self.head, self.whose = AESGCM(plain), key.id, key.whose
        self.new = key if is_new else None
        self.since = monotonic()


class Sealing(msgspec.Struct, frozen=True):
    """What a worker process needs to seal: the folder of the key store, the master key, the digests' key."""

    keystore: str
    master: bytes
    digests: bytes


class RecordSeal:
    """Seals and opens contents, and keys their digests; without a key store it leaves both as they are.

    Args:
        keys: the key store; None leaves contents in clear.
        digests: keys the digests of contents.
    """

    def __init__(self, keys: KeyStore | None = None, digests: bytes = b"") -> None:
        assert keys is None or digests
        self.keys, self._digests = keys, digests
        self._by_id: dict[bytes, _Known] = {}
        self._by_whose: dict[str, _Known] = {}
        self._new: dict[bytes, WrappedKey] = {}
        self._lock = Lock()
        self._keeping = asyncio.Lock()

    def for_workers(self) -> Sealing | None:
        """Return what `seal_of_worker` needs in another process, None where nothing is sealed."""
        return None if self.keys is None else Sealing(str(self.keys.folder), self.keys.master, self._digests)

    def digest(self, plain: bytes) -> bytes:
        """Return the digest that the database keeps of a content, from its SHA-256."""
        if self.keys is None or not plain:
            return plain
        return blake2b(plain, key=self._digests, digest_size=32).digest()

    def close(self, whose: str, content: bytes) -> bytes:
        """Return a content sealed; nothing stays nothing. `settle` comes before it is written."""
        if self.keys is None or not content:
            return content
        key = self._key_of(whose)
        form = PLAIN
        if DEFLATED_FROM <= len(content) <= DEFLATED_TO:
            deflated = zlib.compress(content, _LEVEL)
            if len(deflated) < len(content):
                content, form = deflated, DEFLATED
        head, nonce = form + key.head, os.urandom(NONCE_BYTES)
        return Sealed(head + nonce + key.cipher.encrypt(nonce, content, head))

    def open(self, content: bytes) -> bytes:
        """Return a content in clear; what is not sealed is returned as it is.

        Raises:
            KeyMissing: its key was destroyed or is not there, or the content was changed.
        """
        if not content.startswith(_MAGIC):
            return content
        head = content[:_HEAD_BYTES]
        cipher = self._cipher(head[_FORM_BYTES:])
        try:
            plain = cipher.decrypt(content[_HEAD_BYTES:_NONCE_END], content[_NONCE_END:], head)
        except (InvalidTag, ValueError) as error:
            raise KeyMissing(
                "A sealed content was changed in the database; the operator restores it from a backup."
            ) from error
        return _inflated(plain) if head.startswith(DEFLATED) else plain

    def open_if_possible(self, text: str) -> bytes | None:
        r"""Return a content that was read as text (\x...) in clear, None where its key is gone."""
        try:
            return self.open(bytes.fromhex(text[2:]))
        except KeyMissing:
            return None

    def take_new(self) -> tuple[WrappedKey, ...]:
        """Return the keys that sealed something since, and that the key store may not have yet."""
        with self._lock:
            taken, self._new = tuple(self._new.values()), {}
        return taken

    async def settle(self, further: Sequence[WrappedKey] = ()) -> None:
        """Keep, durably, the new keys that sealed anything so far, and `further` ones of other processes.

        Called before what they sealed is written: a key is never younger than what it opens.
        """
        if self.keys is None or not (further or self._new or self._keeping.locked()):
            return
        async with self._keeping:
            taken = self.take_new()
            if taken or further:
                await asyncio.to_thread(self.keys.keep, (*taken, *further))
        with self._lock:
            for key in taken:
                known = self._by_id.get(key.id)
                if known is not None:
                    known.new = None

    async def begin_with(self, prefix: str) -> list[str]:
        """Return what begins with `prefix` of what there are keys for."""
        return [] if self.keys is None else await asyncio.to_thread(self.keys.begins_with, prefix)

    async def destroy(self, whose: Sequence[str]) -> int:
        """Destroy the keys of these records: at once here, in a minute in every process of the node."""
        if self.keys is None or not whose:
            return 0
        count = await asyncio.to_thread(self.keys.destroy, whose)
        with self._lock:
            for one in whose:
                self._by_whose.pop(one, None)
            for key_id in [key_id for key_id, known in self._by_id.items() if known.whose in whose]:
                del self._by_id[key_id]
        return count

    def _key_of(self, whose: str) -> _Known:
        assert self.keys is not None
        known = self._by_whose.get(whose)
        if known is None or monotonic() - known.since > SEALS_SECONDS:
            found = self.keys.of(whose)
            if found is not None:
                known = self._remember(_Known(*found, is_new=False))
            elif known is not None and known.new is not None:
                known.since = monotonic()  # on its way to the key store with what it sealed
            else:
                known = self._remember(_Known(*self.keys.make(whose), is_new=True))
        if known.new is not None:
            with self._lock:
                self._new[known.head] = known.new
        return known

    def _cipher(self, key_id: bytes) -> AESGCM:
        known = self._by_id.get(key_id)
        if known is None or (known.new is None and monotonic() - known.since > OPENS_SECONDS):
            if self.keys is None:
                raise KeyMissing("What is asked for is sealed, and no key store is open.")
            known = self._remember(_Known(*self.keys.by_id(key_id), is_new=False))
        return known.cipher

    def _remember(self, known: _Known) -> _Known:
        with self._lock:
            while len(self._by_id) >= KNOWN_MAX:
                oldest = next(iter(self._by_id))
                gone = self._by_id.pop(oldest)
                if self._by_whose.get(gone.whose) is gone:
                    del self._by_whose[gone.whose]
            self._by_id.pop(known.head, None)
            self._by_id[known.head] = known
            self._by_whose[known.whose] = known
        return known


IN_CLEAR = RecordSeal()


@cache
def seal_of_worker(sealing: Sealing | None) -> RecordSeal:
    """Return the seal of a worker process, which keeps no keys itself: they go with what they seal."""
    if sealing is None:
        return IN_CLEAR
    return RecordSeal(KeyStore(Path(sealing.keystore), sealing.master), sealing.digests)


def record_seal_of(connection: Connection) -> RecordSeal:
    """Return the seal of the contents of the database that a connection leads to."""
    found: RecordSeal = getattr(connection, "contents", IN_CLEAR)
    return found


async def sealed_words(connection: Connection, patient: str, said: str) -> bytes:
    """Return words of or to a person, sealed with the key of their record, which is kept by then."""
    seal = record_seal_of(connection)
    sealed = seal.close(record_of(patient), said.encode("utf-8", "replace"))
    await seal.settle()
    return sealed


def digest_key(search: bytes) -> bytes:
    """Return what keys the digests of contents, from the node's secret for search hashes."""
    return hmac.digest(search, b"salus content digests", "sha256")


def whose_of(kind: str, compartment: str, others: Sequence[str]) -> str:
    """Return with whose key a resource is sealed: the citizen's in whose record it lies.

    What lies in no record is sealed with the key of the one person it is about, if it is about one. A Group
    of several lies in the record of one of them, and outlives it.
    """
    if "/" not in compartment:
        return SHARED if kind == "Group" and others else record_of(compartment)
    return record_of(others[0]) if len(others) == 1 else SHARED


def record_of(patient: str) -> str:
    """Return with whose key the record of a patient is sealed; of one abroad ("node:id") too."""
    return f"Patient/{patient}"


def rejected_of(patient: str, arrived_at: datetime) -> str:
    """Return with whose key refused input is sealed: the patient's, or where nobody is known its day's."""
    return record_of(patient) if patient else f"{DAYS}{arrived_at.astimezone(UTC):%Y-%m-%d}"


def export_of(job: str) -> str:
    """Return with whose key the files of an export are sealed."""
    return EXPORTS + job


async def opens(connection: Connection, seal: RecordSeal) -> None:
    """Let a connection open what is sealed wherever it reads a bytea, and refuse what only looks sealed."""
    await connection.set_type_codec(
        "bytea", schema="pg_catalog", encoder=_only_sealed_here, decoder=seal.open, format="binary"
    )


def _only_sealed_here(content: bytes) -> bytes:
    assert type(content) is Sealed or not content.startswith(_MAGIC), "sealed elsewhere"
    return content


def _inflated(deflated: bytes) -> bytes:
    inflater = zlib.decompressobj()
    content = inflater.decompress(deflated, _OPENED_MAX)
    if inflater.unconsumed_tail or not inflater.eof:
        raise KeyMissing("A sealed content is not whole; the operator restores it from a backup.")
    return content
