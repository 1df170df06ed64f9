"""Salus whose contents are not sealed: what it does faster is the cost of sealing.

No setting of Salus does this; here what seals is put aside in the process that is measured, which is
`python -m bench._unsealed serve PORT FOLDER` (as `bench._read_server`) or `... load ...` (as `salus load`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import uvloop

import salus.node
from bench import _read_server
from salus.cli.main import main
from salus.store.record_seal import IN_CLEAR


@contextmanager
def unsealed() -> Iterator[None]:
    """Open nodes that seal nothing until the end."""
    with patch.object(salus.node, "RecordSeal", lambda *_: IN_CLEAR):
        yield


if __name__ == "__main__":
    with unsealed():
        if sys.argv[1] == "serve":
            uvloop.run(_read_server._main(int(sys.argv[2]), Path(sys.argv[3])))
        else:
            sys.exit(main(sys.argv[1:]))
