"""A load generator in its own process: keep-alive connections that post one Bundle after another.

`python -m bench._http_posts PORT SECONDS CONNECTIONS FOLDER` posts the files of FOLDER, reads the headers as
JSON from standard input, and prints {"resources", "seconds", "failures"}; a file is named COUNT-ANYTHING.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> bytes:
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    return head


async def _client(port: int, requests: list[tuple[int, bytes]], offset: int, ends_at: float) -> list[int]:
    """Return the resources stored, and the requests that were refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    stored = failures = 0
    number = offset
    while time.perf_counter() < ends_at:
        count, sent = requests[number % len(requests)]
        head = await _post(reader, writer, sent)
        if head.startswith(b"HTTP/1.1 200"):
            stored += count
        else:
            failures += 1
        number += 1
    writer.close()
    return [stored, failures]


def _requests(folder: Path, headers: dict[str, str]) -> list[tuple[int, bytes]]:
    lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    found = []
    for file in sorted(folder.iterdir()):
        body = file.read_bytes()
        head = f"POST /fhir HTTP/1.1\r\nhost: x\r\n{lines}content-length: {len(body)}\r\n\r\n"
        found.append((int(file.name.split("-")[0]), head.encode() + body))
    return found


async def _run(
    port: int, seconds: float, connections: int, requests: list[tuple[int, bytes]]
) -> dict[str, float]:
    started = time.perf_counter()
    done = await asyncio.gather(
        *(_client(port, requests, number, started + seconds) for number in range(connections))
    )
    seconds = time.perf_counter() - started
    return {
        "resources": sum(stored for stored, _ in done),
        "failures": sum(failed for _, failed in done),
        "seconds": seconds,
    }


if __name__ == "__main__":
    to_send = _requests(Path(sys.argv[4]), json.loads(sys.stdin.read()))
    result = asyncio.run(_run(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), to_send))
    print(json.dumps(result))
