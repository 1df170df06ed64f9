"""A load generator in its own process: keep-alive connections that ask one GET after another.

`python -m bench._http_load PORT SECONDS CONNECTIONS` reads {"requests": [[path, index of its token]],
"tokens": [...]} from standard input and prints {"requests", "seconds", "failures", "p50_ms", "p95_ms"}.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from typing import Any

import uvloop


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the one before is complete."""

    def __init__(self, requests: list[bytes], offset: int, ends_at: float) -> None:
        self._requests = requests
        self._next = offset
        self._ends_at = ends_at
        self._buffer = b""
        self._sent_at = 0.0
        self.latencies: list[float] = []
        self.failures = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport  # uvloop's transport is no asyncio.Transport by type
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : head.find(b"\r\n", at) if b"\r\n" in head[at:] else None])
        if len(self._buffer) < head_end + 4 + length:
            return
        now = time.perf_counter()
        self.latencies.append(now - self._sent_at)
        self.failures += not head.startswith(b"http/1.1 200")
        self._buffer = b""
        if now < self._ends_at:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def _run(port: int, seconds: float, connections: int, wish: dict[str, Any]) -> dict[str, float]:
    requests = [
        f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {wish['tokens'][token]}\r\n\r\n".encode()
        for path, token in wish["requests"]
    ]
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    made = [
        await loop.create_connection(
            partial(_Connection, requests, n * 97, started + seconds), "127.0.0.1", port
        )
        for n in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    took = time.perf_counter() - started
    latencies = sorted(latency for _, protocol in made for latency in protocol.latencies)
    return {
        "requests": len(latencies),
        "seconds": took,
        "failures": sum(protocol.failures for _, protocol in made),
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p95_ms": latencies[len(latencies) * 95 // 100] * 1000,
    }


if __name__ == "__main__":
    result = uvloop.run(
        _run(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), json.loads(sys.stdin.read()))
    )
    print(json.dumps(result))
