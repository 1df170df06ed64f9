"""The folder of a demonstration: fresh each time, emptied only if a demonstration made it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.core.errors import SettingsInvalid
from salus.store.embedded import embedded_server

MARK = ".salus-demo"


@contextmanager
def demo_folder(folder: Path) -> Iterator[Path]:
    """Yield the folder, empty, and hold it so that no second demonstration takes it.

    Raises:
        SettingsInvalid: it holds something else, or another demonstration runs in it.
    """
    folder = folder.resolve()
    if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise SettingsInvalid(f"{folder} is not a folder of a demonstration; choose another with --data")
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / MARK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsInvalid(
                f"another demonstration runs in {folder}; stop it, or choose another folder with --data"
            ) from None
        _empty(folder)
        yield folder
    finally:
        os.close(handle)


def _empty(folder: Path) -> None:
    """Remove what an earlier demonstration left, its databases' servers first."""
    for path in sorted(folder.iterdir()):
        if path.name == MARK:
            continue
        if (path / "postgres" / "postmaster.pid").exists():
            with embedded_server(path):
                pass
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
