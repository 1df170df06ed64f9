"""The server of `bench._read_server` whose leaves go nowhere: what it answers faster is the ledger's cost.

No setting of Salus does this; here the function that inserts leaves, and the sequencer, are put aside in the
process that is measured.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop

import salus.node
import salus.store.journal
from bench import _read_server


async def _nothing(*_: Any) -> None:
    return None


async def _for_ever(*_: Any) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    for module, name, stand_in in (
        (salus.store.journal, "append", _nothing),
        (salus.node, "run_sequencer", _for_ever),
    ):
        assert hasattr(module, name)
        setattr(module, name, stand_in)
    uvloop.run(_read_server._main(int(sys.argv[1]), Path(sys.argv[2])))
