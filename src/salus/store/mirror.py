"""The mirror: what a restored backup must not forget, in append-only files beside the database (0031).

`order` is the log's order: the SHA-256 of each leaf's entry, 32 bytes at 32 times its index. Leaves that
came through no journal file are in `*.leaves`, in the form of one. `events.jsonl` has each change of a
restriction, veil, opt-out, power or revocation (schema 0153). `checkpoint` is the newest one that the log
has signed: a database that does not reach it was restored, and serves nobody before it is replayed
(`store.replaying`). `vouched` are newer ones that only other members knew, `given-up` those that a gap ended.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from salus.core.errors import SettingsInvalid
from salus.store.journal_frames import frame_of
from salus.store.pool import Connection

FOLDER = "mirror"
DIGEST_BYTES = 32
_SUFFIX = ".leaves"
_FILE_BYTES_MAX = 64 << 20
_EVENTS_AT_ONCE = 5_000
_MARKERS_MAX = 1_000
"""Most checkpoints of others that are kept, the newest."""
_EVENTS = "SELECT id, kind, gone, content FROM mirror_event ORDER BY id LIMIT $1"
_TAKEN = "DELETE FROM mirror_event WHERE id = ANY ($1)"
Record = tuple[str, datetime, bytes, bytes, str]
"""Patient, time, sealed entry, digest, request of a leaf."""


class Marker(msgspec.Struct, frozen=True):
    """A checkpoint that the log has signed."""

    size: int
    root: bytes
    note: str


class Event(msgspec.Struct, frozen=True):
    """A change of a row of the table `kind`: the row as it is now, or was before it was deleted."""

    kind: str
    gone: bool
    content: msgspec.Raw


class _Of(msgspec.Struct, frozen=True):
    patient: str = ""


class Mirror:
    """The mirror in one folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it need not be there."""
        self.folder = folder
        self._file: Path | None = None

    @property
    def order(self) -> Path:
        """The file of the log's order."""
        return self.folder / "order"

    @property
    def events(self) -> Path:
        """The file of changes."""
        return self.folder / "events.jsonl"

    def files(self) -> list[Path]:
        """Return the files of leaves."""
        return sorted(self.folder.glob("*" + _SUFFIX))

    def newest(self) -> Marker | None:
        """Return the newest checkpoint that was signed, None where there is none.

        Raises:
            SettingsInvalid: the file cannot be read.
        """
        try:
            return msgspec.json.decode((self.folder / "checkpoint").read_bytes(), type=Marker)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise SettingsInvalid(f"{self.folder}/checkpoint cannot be read: restore that file.") from error

    def keep(self, begin: int, digests: Sequence[bytes], records: Sequence[Record]) -> None:
        """Keep durably which leaves follow the first `begin`, and those of them that are in no other file."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if records:
            if self._file is None or not self._file.exists() or self._file.stat().st_size > _FILE_BYTES_MAX:
                self._file = self.folder / (secrets.token_hex(8) + _SUFFIX)
            _append(self._file, frame_of(records))
        handle = os.open(self.order, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(handle, b"".join(digests), begin * DIGEST_BYTES)
            os.fdatasync(handle)
        finally:
            os.close(handle)

    def forget_before(self, before: datetime) -> None:
        """Remove the files of leaves that were last written to before a time."""
        for path in self.files():
            if path != self._file and path.stat().st_mtime < before.timestamp():
                path.unlink()

    def mark(self, marker: Marker) -> None:
        """Keep durably that a checkpoint was signed; an older one changes nothing."""
        with self._locked():
            known = self.newest()
            if known is None or known.size < marker.size:
                self._write(marker)

    def remember(self, markers: Sequence[Marker]) -> None:
        """Keep durably checkpoints that others vouch for: the newest is the newest one that was signed."""
        with self._locked():
            known = {(each.size, each.root): each for each in (*self._read("vouched"), *markers)}
            self._replace("vouched", sorted(known.values(), key=lambda each: each.size)[-_MARKERS_MAX:])
        self.mark(max(markers, key=lambda each: each.size))

    def given_up(self) -> frozenset[tuple[int, bytes]]:
        """Return size and root of checkpoints that were given up when a gap was published."""
        return frozenset((each.size, each.root) for each in self._read("given-up"))

    def mark_anew(self, marker: Marker) -> None:
        """Keep durably that the log goes on from here, whatever was signed before: that is given up."""
        with self._locked():
            before = self.newest()
            lost = [*self._read("given-up"), *self._read("vouched"), *([before] if before else [])]
            self._replace("given-up", lost[-_MARKERS_MAX:])
            self._replace("vouched", [])
            self._write(marker)
            if self.order.exists():
                os.truncate(self.order, marker.size * DIGEST_BYTES)

    def digests(self, begin: int, end: int) -> list[bytes]:
        """Return the digests of the leaves [begin, end) as far as they are known, in order."""
        if not self.order.exists():
            return []
        with self.order.open("rb") as file:
            file.seek(begin * DIGEST_BYTES)
            content = file.read((end - begin) * DIGEST_BYTES)
        return [content[at : at + DIGEST_BYTES] for at in range(0, len(content), DIGEST_BYTES)]

    def changes(self) -> Iterator[Event]:
        """Yield the changes, the oldest first; what a crash tore is left out."""
        if self.events.exists():
            for line in filter(None, self.events.read_bytes().split(b"\n")[:-1]):
                try:
                    yield msgspec.json.decode(line, type=Event)
                except msgspec.DecodeError:
                    continue

    def add(self, events: Sequence[Event]) -> None:
        """Keep changes durably."""
        with self._locked():
            _append(self.events, _lines(events))

    def patients(self) -> set[str]:
        """Return whose rows the changes are of."""
        return {msgspec.json.decode(each.content, type=_Of).patient for each in self.changes()} - {""}

    def forget(self, patients: frozenset[str]) -> None:
        """Drop the changes of rows of persons who were erased."""
        with self._locked():
            kept = [
                each
                for each in self.changes()
                if msgspec.json.decode(each.content, type=_Of).patient not in patients
            ]
            new = self.folder / "events.new"
            new.unlink(missing_ok=True)
            _append(new, _lines(kept))
            new.replace(self.events)

    def _write(self, marker: Marker) -> None:
        self._put("checkpoint", msgspec.json.encode(marker))

    def _read(self, name: str) -> list[Marker]:
        try:
            return msgspec.json.decode((self.folder / name).read_bytes(), type=list[Marker])
        except FileNotFoundError:
            return []
        except msgspec.DecodeError as error:
            raise SettingsInvalid(f"{self.folder}/{name} cannot be read: restore that file.") from error

    def _replace(self, name: str, markers: Sequence[Marker]) -> None:
        self._put(name, msgspec.json.encode(markers))

    def _put(self, name: str, content: bytes) -> None:
        new = self.folder / f"{name}.new"
        new.unlink(missing_ok=True)
        _append(new, content)
        new.replace(self.folder / name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


async def take_events(connection: Connection) -> list[Event]:
    """Take the changes that wait, in the caller's transaction: keep them before it ends."""
    rows = await connection.fetch(_EVENTS, _EVENTS_AT_ONCE)
    if rows:
        await connection.execute(_TAKEN, [row["id"] for row in rows])
    return [Event(row["kind"], row["gone"], msgspec.Raw(row["content"].encode())) for row in rows]


def _lines(events: Sequence[Event]) -> bytes:
    """Return changes as lines, after a line's end: a crash may have torn the one before."""
    return b"\n" + b"".join(msgspec.json.encode(each) + b"\n" for each in events)


def _append(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)
