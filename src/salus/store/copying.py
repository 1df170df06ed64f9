"""Rows in PostgreSQL's binary COPY format (PostgreSQL documentation, COPY, "Binary Format").

Encoding is pure and costs most of a load's time after parsing, so that worker processes do it; the one
writer only joins the buffers.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache

import msgspec

from salus.store.keystore import WrappedKey
from salus.store.postgres import Connection
from salus.store.record_seal import IN_CLEAR, RecordSeal, whose_of
from salus.store.rows import Row

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
RESOURCE_COLUMNS = (
    "compartment", "type", "id", "version", "updated", "others", "source", "source_id", "digest", "date",
    "tokens", "links", "links_stated", "content",
)  # fmt: skip
RANGE_COLUMNS = ("compartment", "type", "id", "key", "low", "high")

_PIECE_BYTES = 1 << 20
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_INT8, _TEXT = 20, 25
_length = struct.Struct(">i").pack
_two = struct.Struct(">h").pack
_two_integers = struct.Struct(">ii").pack
_version_updated = struct.Struct(">iiiq")
_key_low_high = struct.Struct(">iqidid").pack


class Encoded(msgspec.Struct, frozen=True, array_like=True):
    """One resource, encoded as version 1; `versioned` gives a later one.

    Args:
        patients: logical ids of the patients it is about.
        digest: of its content, as the database keeps it.
        resource, ranges: rows of the two tables, "" for none.
        binaries: ids of the Binary resources that it names.
        identities: tokens of the patients that it names by an identifier alone.
        sent_at, sent_version: when its source changed it last, and its version there; "" where it is silent.
        arrived_at: when it came first, of what was in quarantine; None of what comes now.
        keys: that the key store may not have yet, and must have before `resource` is written.
    """

    compartment: str
    patients: tuple[str, ...]
    type: str
    id: str
    digest: bytes
    resource: bytes
    ranges: bytes
    binaries: tuple[str, ...] = ()
    identities: tuple[int, ...] = ()
    sent_at: str = ""
    sent_version: str = ""
    arrived_at: datetime | None = None
    keys: tuple[WrappedKey, ...] = ()

    def versioned(self, version: int, updated: datetime) -> bytes:
        """Return the row of `resource` with another version and time."""
        at = 2 + 12 + sum(len(text.encode()) for text in (self.compartment, self.type, self.id))
        fields = _version_updated.pack(4, version, 8, microseconds(updated))
        return self.resource[:at] + fields + self.resource[at + _version_updated.size :]


def microseconds(moment: datetime) -> int:
    """Return the moment as PostgreSQL's timestamptz: microseconds since 2000 UTC."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _field(content: bytes) -> bytes:
    return _length(len(content)) + content


@cache
def _array_head(oid: int, count: int) -> bytes:
    if count == 0:
        return struct.pack(">iii", 0, 0, oid)
    return struct.pack(">iiiii", 1, 0, oid, count, 1)


@cache
def _items(code: str, count: int) -> struct.Struct:
    return struct.Struct(">" + f"i{code}" * count)


def _integers(oid: int, code: str, size: int, numbers: list[int]) -> bytes:
    count = len(numbers)
    interleaved = [size] * (2 * count)
    interleaved[1::2] = numbers
    return _field(_array_head(oid, count) + _items(code, count).pack(*interleaved))


def _texts(texts: tuple[str, ...]) -> bytes:
    return _field(_array_head(_TEXT, len(texts)) + b"".join(_field(text.encode()) for text in texts))


def encode_row(
    row: Row, patients: tuple[str, ...], updated: datetime, seal: RecordSeal = IN_CLEAR
) -> Encoded:
    """Return the row of a resource, sealed, as its first version of the time `updated`."""
    index, digest = row.index, seal.digest(row.digest)
    name = _field(row.compartment.encode()) + _field(row.type.encode()) + _field(row.id.encode())
    parts = (
        _two(len(RESOURCE_COLUMNS)),
        name,
        _version_updated.pack(4, 1, 8, microseconds(updated)),
        _texts(row.others),
        _field(row.source.encode()),
        _field(row.source_id.encode()),
        _field(digest),
        _length(-1) if index.date is None else struct.pack(">iq", 8, microseconds(index.date)),
        _integers(_INT8, "q", 8, index.tokens),
        _texts(index.links),
        _two_integers(4, index.links_stated),
        _field(seal.close(whose_of(row.type, row.compartment, row.others), row.content)),
    )
    range_head = _two(len(RANGE_COLUMNS)) + name
    return Encoded(
        row.compartment,
        patients,
        row.type,
        row.id,
        digest,
        b"".join(parts),
        b"".join(range_head + _key_low_high(8, key, 8, low, 8, high) for key, low, high in index.ranges),
        index.binaries,
        index.identities,
        row.sent_at,
        row.sent_version,
        keys=seal.take_new(),
    )


async def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], lines: Iterable[bytes]
) -> None:
    """Copy encoded rows into a table, in the caller's transaction."""
    buffers = [line for line in lines if line]
    if buffers:
        await connection.copy_to_table(table, source=_pieces(buffers), columns=list(columns), format="binary")


async def _pieces(buffers: Sequence[bytes]) -> AsyncIterator[bytes]:
    piece = [HEADER]
    size = 0
    for buffer in buffers:
        piece.append(buffer)
        size += len(buffer)
        if size > _PIECE_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    piece.append(TRAILER)
    yield b"".join(piece)
