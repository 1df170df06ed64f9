"""The form of a journal file: frames, each the leaves of some requests (docs/decisions/0031).

A frame is the length of its body (4 bytes, little-endian), the CRC-32 of the body (4) and the body: records.
A record is the time (microseconds since 1970, 8 bytes), the lengths of the patient's id, the request's id
and the sealed entry (4 each), the SHA-256 of the entry in clear (32), then these three. A file is as long as
was reserved for it: a frame of length 0 is its end so far, one whose checksum is wrong was torn by a crash.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_HEAD = struct.Struct("<II")
_RECORD = struct.Struct("<qIII32s")
HEAD_BYTES = _HEAD.size
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Columns(NamedTuple):
    """Leaves as columns: patients, times (microseconds since 1970), sealed entries, digests, requests."""

    patients: list[str]
    times: list[int]
    entries: list[bytes]
    digests: list[bytes]
    requests: list[str]


def microseconds(at: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    """Return the time of microseconds since 1970."""
    return _EPOCH + micros * _MICROSECOND


def frame_of(records: Iterable[tuple[str, datetime, bytes, bytes, str]]) -> bytes:
    """Return one frame of records (patient, time, sealed entry, digest, request)."""
    parts: list[bytes] = []
    pack = _RECORD.pack
    for patient, at, entry, digest, request in records:
        who, what = patient.encode(), request.encode()
        parts += (pack(microseconds(at), len(who), len(what), len(entry), digest), who, what, entry)
    body = b"".join(parts)
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def length_of(head: bytes) -> int:
    """Return how long the frame is that begins with the bytes, head and all; 0 where none begins."""
    if len(head) < HEAD_BYTES:
        return 0
    length = int(_HEAD.unpack_from(head)[0])
    return length + HEAD_BYTES if length else 0


def columns_of(content: bytes) -> tuple[Columns, int]:
    """Return the leaves of the whole frames at the start of the bytes, and how many bytes those are."""
    columns = Columns([], [], [], [], [])
    at = 0
    while frame := length_of(content[at : at + HEAD_BYTES]):
        body = content[at + HEAD_BYTES : at + frame]
        if len(body) != frame - HEAD_BYTES or zlib.crc32(body) != _HEAD.unpack_from(content, at)[1]:
            break
        _take(columns, body)
        at += frame
    return columns, at


def _take(columns: Columns, body: bytes) -> None:
    patients, times, entries, digests, requests = columns
    at, end, unpack, head = 0, len(body), _RECORD.unpack_from, _RECORD.size
    while at < end:
        time, who, what, entry, digest = unpack(body, at)
        at += head
        patients.append(body[at : at + who].decode())
        at += who
        requests.append(body[at : at + what].decode())
        at += what
        entries.append(body[at : at + entry])
        at += entry
        times.append(time)
        digests.append(digest)
