"""The key store: a data key for each citizen's record, wrapped by the node's master key.

It is one SQLite file beside the database, so that a backup of the database opens nothing without it. Whoever
seals makes a key in memory (`made`); it is kept here before the database commits what it sealed. A record
may have several keys, when processes make them at the same time; all go when it is erased. Of a destroyed
key the id stays, so that what it sealed is told from what lacks its key.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from salus.core.errors import KeyMissing, SettingsInvalid, StorageUnavailable

KEY_BYTES, ID_BYTES, NONCE_BYTES, NAME_BYTES = 32, 16, 12, 4
FILE_NAME = "keys.db"
_BUSY_SECONDS = 60.0
_REWRAPPED_AT_ONCE = 2_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS key (
    id          BLOB PRIMARY KEY,   -- random
    whose       TEXT,               -- the record that it seals, NULL once destroyed
    master      BLOB,               -- which master key wraps it
    wrapped     BLOB,               -- nonce, key, tag; NULL once destroyed
    made_at     TEXT NOT NULL,
    destroyed_at TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS key_whose ON key (whose) WHERE whose IS NOT NULL;
CREATE TABLE IF NOT EXISTS store (one INTEGER PRIMARY KEY CHECK (one = 1), id BLOB NOT NULL);
"""
_OF = "SELECT id, whose, master, wrapped FROM key WHERE whose = ? ORDER BY made_at, id LIMIT 1"
_BY_ID = "SELECT id, whose, master, wrapped FROM key WHERE id = ?"
_KEEP = "INSERT OR IGNORE INTO key (id, whose, master, wrapped, made_at) VALUES (?, ?, ?, ?, ?)"
_DESTROY = "UPDATE key SET whose = NULL, wrapped = NULL, master = NULL, destroyed_at = ? WHERE whose = ?"
_OTHERS = "SELECT id, whose, master, wrapped FROM key WHERE wrapped IS NOT NULL AND master <> ? LIMIT ?"
_REWRAP = "UPDATE key SET master = ?, wrapped = ? WHERE id = ? AND wrapped IS NOT NULL"
_COUNTS = """
SELECT count(wrapped), count(destroyed_at),
    count(CASE WHEN wrapped IS NOT NULL AND master <> ? THEN 1 END) FROM key
"""


class WrappedKey(msgspec.Struct, frozen=True, array_like=True):
    """A data key as the key store keeps it.

    Args:
        id: random; sealed contents name it.
        whose: what it seals, see `store.record_seal`.
        master: names the master key that wraps it.
        wrapped: nonce, AES-256-GCM of the key, tag.
    """

    id: bytes
    whose: str
    master: bytes
    wrapped: bytes


class Counts(msgspec.Struct, frozen=True):
    """How many keys there are, were destroyed, and are wrapped by another master key than the node's."""

    kept: int
    destroyed: int
    others: int


def name_of(master: bytes) -> bytes:
    """Return the four bytes that name a master key."""
    return hashlib.sha256(b"salus/master-key/v1" + master).digest()[:NAME_BYTES]


class KeyStore:
    """The data keys of a node. Several processes may have it open; usable from any thread.

    Args:
        folder: where its file is; both are made when it is first used.
        master: 32 bytes that wrap new keys.
    """

    def __init__(self, folder: Path, master: bytes) -> None:
        assert len(master) == KEY_BYTES
        self.folder, self.master = folder, master
        self._master, self._name = AESGCM(master), name_of(master)
        self._lock = Lock()
        self._opened: sqlite3.Connection | None = None

    def make(self, whose: str) -> tuple[WrappedKey, bytes]:
        """Return a new key, wrapped and plain; `keep` it before anything that it sealed is kept."""
        own_id, key = os.urandom(ID_BYTES), os.urandom(KEY_BYTES)
        return _wrap(own_id, whose, key, self._master, self._name), key

    def of(self, whose: str) -> tuple[WrappedKey, bytes] | None:
        """Return the oldest key of a record, None where it has none."""
        with self._reading() as connection:
            row = connection.execute(_OF, (whose,)).fetchone()
        return None if row is None else self._unwrapped(WrappedKey(*row))

    def by_id(self, key_id: bytes) -> tuple[WrappedKey, bytes]:
        """Return a key.

        Raises:
            KeyMissing: it was destroyed, is not there, or is wrapped by another master key.
        """
        with self._reading() as connection:
            row = connection.execute(_BY_ID, (key_id,)).fetchone()
        if row is None:
            raise KeyMissing(
                "What is asked for is sealed with a key that the node's key store does not hold. The "
                "operator restores it from its newest backup: one younger than the database opens all of it."
            )
        if row[3] is None:
            raise KeyMissing(
                "What is asked for was erased: its key is destroyed. A database that was restored from a "
                "backup is brought up to date by `salus erase --again`."
            )
        return self._unwrapped(WrappedKey(*row))

    def keep(self, keys: Iterable[WrappedKey]) -> None:
        """Keep new keys, durably; those that are there already stay as they are."""
        now = datetime.now(UTC).isoformat()
        rows = [(*msgspec.structs.astuple(key), now) for key in keys]
        if rows:
            with self._writing() as connection:
                connection.executemany(_KEEP, rows)

    def destroy(self, whose: Sequence[str]) -> int:
        """Destroy the keys of these records for good; return how many there were."""
        now = datetime.now(UTC).isoformat()
        with self._writing() as connection:
            count = sum(connection.execute(_DESTROY, (now, one)).rowcount for one in whose)
        if count:
            with self._reading() as connection:  # nothing of them stays in the write-ahead log
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return count

    def begins_with(self, prefix: str) -> list[str]:
        """Return what begins with `prefix` of what keys are there for."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT whose FROM key WHERE whose >= ? AND whose < ?",
                (prefix, prefix + "\U0010ffff"),
            )
            return [row[0] for row in rows]

    def rewrap(self, old: bytes, told: Callable[[int], None] = lambda _count: None) -> int:
        """Wrap every key that `old` wraps by the node's master key; return how many. It can be begun again.

        Raises:
            SettingsInvalid: a key is wrapped by neither.
        """
        previous, before, count = AESGCM(old), name_of(old), 0
        while True:
            with self._writing() as connection:
                rows = connection.execute(_OTHERS, (self._name, _REWRAPPED_AT_ONCE)).fetchall()
                found = [WrappedKey(*row) for row in rows]
                if any(key.master != before for key in found):
                    raise SettingsInvalid(
                        "Some keys are wrapped by neither master key; give the right one with --old, or "
                        "restore it."
                    )
                anew = [
                    _wrap(key.id, key.whose, _unwrap(key, previous), self._master, self._name)
                    for key in found
                ]
                connection.executemany(_REWRAP, [(key.master, key.wrapped, key.id) for key in anew])
            if not found:
                return count
            count += len(found)
            told(count)

    def counts(self) -> Counts:
        """Return how many keys there are."""
        with self._reading() as connection:
            return Counts(*connection.execute(_COUNTS, (self._name,)).fetchone())

    def identity(self) -> bytes:
        """Return the random id of this key store, which the database knows."""
        with self._reading() as connection:
            row = connection.execute("SELECT id FROM store").fetchone()
        assert row is not None
        return bytes(row[0])

    def close(self) -> None:
        """Close the file; it is opened again when it is used."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _unwrapped(self, key: WrappedKey) -> tuple[WrappedKey, bytes]:
        if key.master != self._name:
            raise KeyMissing(
                "The node's key store is wrapped by another master key than that of the settings. The "
                "operator sets master_key to that one again, or wraps it anew by `salus keys rewrap`."
            )
        return key, _unwrap(key, self._master)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection()
            except sqlite3.Error as error:
                raise StorageUnavailable(
                    f"The key store {self.folder / FILE_NAME} cannot be used ({error}); nothing was changed. "
                    "Free the disk, or restore the file from its backup."
                ) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = _open(self.folder)
        return self._opened


def _open(folder: Path) -> sqlite3.Connection:
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StorageUnavailable(
            f"The key store {path} cannot be opened ({error.strerror}); let the node's account write to "
            f"its folder."
        ) from error
    opened = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        opened.execute(f"PRAGMA {pragma}").fetchone()
    opened.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT")
    opened.execute("INSERT OR IGNORE INTO store (one, id) VALUES (1, ?)", (os.urandom(ID_BYTES),))
    return opened


def _about(key_id: bytes, whose: str) -> bytes:
    return b"salus/data-key/v1" + key_id + whose.encode()


def _wrap(key_id: bytes, whose: str, key: bytes, cipher: AESGCM, name: bytes) -> WrappedKey:
    nonce = os.urandom(NONCE_BYTES)
    return WrappedKey(key_id, whose, name, nonce + cipher.encrypt(nonce, key, _about(key_id, whose)))


def _unwrap(key: WrappedKey, cipher: AESGCM) -> bytes:
    nonce, sealed = key.wrapped[:NONCE_BYTES], key.wrapped[NONCE_BYTES:]
    try:
        return cipher.decrypt(nonce, sealed, _about(key.id, key.whose))
    except (InvalidTag, ValueError) as error:
        raise KeyMissing(
            "A key in the node's key store was changed; the operator restores the key store from its "
            "newest backup."
        ) from error
