"""The server of `bench._read_server` whose leaves go nowhere: what it answers faster is the ledger's cost.

No setting of Salus does this; here what sends leaves off, what brings them in and the sequencer are put aside
in the process that is measured.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop

import salus.node
from bench import _read_server
from salus.store.filed_journal import FiledJournal
from salus.store.journal import tell


def _nothing(_journal: FiledJournal, _writer: object, requests: list[Any]) -> None:
    tell([durable for _, durable in requests], None)


async def _for_ever(*_: Any) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    for owner, name, stand_in in (
        (FiledJournal, "file_away", _nothing),
        (FiledJournal, "bring_in", _for_ever),
        (salus.node, "run_sequencer", _for_ever),
    ):
        assert hasattr(owner, name)
        setattr(owner, name, stand_in)
    uvloop.run(_read_server._main(int(sys.argv[1]), Path(sys.argv[2])))
