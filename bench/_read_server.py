"""The FHIR face of a node with its journal and sequencer, as `salus serve` runs them, in one process.

`python -m bench._read_server PORT FOLDER` serves until its input ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from salus.node import collect_seldom, open_node


async def _main(port: int, folder: Path) -> None:
    async with open_node(folder) as node:
        collect_seldom()
        server = Server(
            node.application,
            "127.0.0.1",
            port,
            interface=Interfaces.ASGINL,
            websockets=False,
            log_enabled=False,
        )
        serving = asyncio.create_task(server.serve())
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        server.stop()  # type: ignore[no-untyped-call]  # granian does not annotate it
        await serving


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), Path(sys.argv[2])))
