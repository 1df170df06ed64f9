"""The open connections of this process, as Linux knows them: how many an address holds, how slow each is.

The HTTP server counts connections and times the arrival of a request's headers; it does not know who holds
them, nor whether an answer is read. The kernel does (tcp(7), TCP_INFO), and a connection that must go is shut
down from outside, so that a request costs nothing more.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import IntEnum
from pathlib import Path

import msgspec

from salus.core.limits import Limits

Peer = tuple[str, str]
"""Host and port of a connection's other end, as ASGI's `scope["client"]` has them from the server."""

OPEN_FILES = Path("/proc/self/fd")
INFO_BYTES = 160
# struct tcp_info of linux/tcp.h: tcpi_unacked, tcpi_last_data_recv, tcpi_bytes_acked, tcpi_notsent_bytes.
UNACKED, SILENT, ACKED, UNSENT = 24, 52, 120, 144
FORGET_AT_ONCE = struct.pack("ii", 1, 0)
"""struct linger: the kernel drops what is left to send when the connection is closed."""
IPV6_PREFIX = 64
"""An IPv6 subscriber has this prefix to themselves, so it counts as one address."""
ROOM = 4
"""When all but one in so many places are taken, the longest silent connections go."""


class Stage(IntEnum):
    """How far the request of a connection is; what has a lower number is kept rather."""

    ANSWERED = 0
    """The whole request is here, and the node works on it or sends the answer."""
    BODY = 1
    """Its body arrives; it came with a token, which nobody may have looked at yet."""
    BODY_ANONYMOUS = 2
    """Its body arrives, and it has no token."""
    IDLE = 3
    """There is none."""


class Connection(msgspec.Struct, frozen=True):
    """An open connection.

    Args:
        file: its file descriptor in this process.
        peer: the other end.
        silent_ms: since the last byte came from there, or since it was opened.
        acked: bytes that the other end has acknowledged so far.
        owed: whether bytes of an answer wait for it to read.
    """

    file: int
    peer: Peer
    silent_ms: int
    acked: int
    owed: bool


class Debt(msgspec.Struct, frozen=True):
    """Since when a connection has had something left to read, and what it had acknowledged then."""

    since: float
    acked: int


def pace_seconds(limits: Limits, count: int, *, anonymous: bool = False) -> float:
    """Return how long a transfer may have taken when `count` bytes are over.

    Args:
        limits: grace and pace.
        count: bytes of a body that arrived, or of an answer that were read.
        anonymous: it is the body of a request without a token.
    """
    grace_ms = limits.transfer_grace_ms
    if anonymous:
        grace_ms = min(grace_ms, limits.transfer_grace_anonymous_ms)
    return grace_ms / 1000 + count / limits.transfer_bytes_per_second_min


def slow(
    connections: Iterable[Connection], debts: Mapping[Peer, Debt], limits: Limits, *, now: float
) -> tuple[list[Connection], dict[Peer, Debt]]:
    """Return the connections that read their answers too slowly, and the debts to pass in next time.

    Args:
        connections: those open now.
        debts: what the last call returned.
        limits: how slow is too slow.
        now: seconds of a clock that never goes back.
    """
    owing = {each.peer: debts.get(each.peer, Debt(now, each.acked)) for each in connections if each.owed}
    late = [
        each
        for each in connections
        if each.owed
        and now - owing[each.peer].since > pace_seconds(limits, each.acked - owing[each.peer].acked)
    ]
    return late, owing


def excess(
    connections: Iterable[Connection], underway: Mapping[Peer, Stage], limits: Limits
) -> list[Connection]:
    """Return the connections beyond what an address, and everybody together, may hold open.

    They go by stage, idle ones first, and within a stage those that were silent longest: who holds them for
    later opens them anew. Who waits for an answer is silent, so there the latest go: who asked is answered.
    """

    def worth(each: Connection) -> tuple[Stage, int]:
        stage = underway.get(each.peer, Stage.IDLE)
        return stage, -each.silent_ms if stage is Stage.ANSWERED else each.silent_ms

    by_worth = sorted(connections, key=worth)
    held: Counter[str] = Counter()
    kept, gone = 0, []
    most = max(1, limits.connections_max * (ROOM - 1) // ROOM)
    for each in by_worth:
        address = address_of(each.peer)
        if held[address] >= limits.connections_address_max or kept >= most:
            gone.append(each)
            continue
        held[address] += 1
        kept += 1
    return gone


def address_of(peer: Peer) -> str:
    """Return the address that a connection counts for: of IPv6 the network, which is one subscriber's."""
    if ":" not in peer[0]:
        return peer[0]
    address = ipaddress.IPv6Address(peer[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, IPV6_PREFIX), strict=False))


def open_connections(port: int) -> list[Connection]:
    """Return the connections that this process accepted at the port; none where the kernel does not say."""
    if not OPEN_FILES.exists():
        return []
    found = (_connection(int(name), port) for name in os.listdir(OPEN_FILES))
    return [each for each in found if each is not None]


def shut(connection: Connection, port: int) -> None:
    """End a connection, and what waits to be read with it; the server sees it as closed by the other end."""
    with suppress(OSError), socket.socket(fileno=os.dup(connection.file)) as handle:
        # The number may by now be another file's.
        if handle.getsockname()[1] == port and peer_of(handle) == connection.peer:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, FORGET_AT_ONCE)
            handle.shutdown(socket.SHUT_RDWR)


def peer_of(handle: socket.socket) -> Peer:
    """Return the other end of a connected socket of IPv4 or IPv6."""
    host, port = handle.getpeername()[:2]
    return host, str(port)


def _connection(file: int, port: int) -> Connection | None:
    """Return the connection of a file descriptor, None where it is none, or none at the port."""
    try:
        if not os.readlink(OPEN_FILES / str(file)).startswith("socket:"):
            return None
        with socket.socket(fileno=os.dup(file)) as handle:
            if handle.family not in (socket.AF_INET, socket.AF_INET6) or handle.getsockname()[1] != port:
                return None
            peer = peer_of(handle)
            info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
    except OSError:  # it listens, is closed by now, or speaks no TCP
        return None
    if len(info) < UNSENT + 4:
        return None
    unacked, silent_ms, unsent = (struct.unpack_from("=I", info, at)[0] for at in (UNACKED, SILENT, UNSENT))
    return Connection(file, peer, silent_ms, struct.unpack_from("=Q", info, ACKED)[0], unacked + unsent > 0)
