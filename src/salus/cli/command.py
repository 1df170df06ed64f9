"""What a command is: one file in this folder defines `COMMAND`, and `main` finds it."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec


class Command(msgspec.Struct, frozen=True):
    """One word after `salus`.

    Args:
        name: the word.
        help: one sentence, shown by `salus --help`.
        arguments: adds the command's options to its parser (`--data` is there already).
        run: does it and returns the exit code.
    """

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def program() -> str:
    """Return what one types here to call this very program: `salus`, `.venv/bin/salus` or the whole path."""
    beside = Path(sys.executable).parent / "salus"
    found = shutil.which("salus")
    if found is not None and (not beside.exists() or Path(found).resolve() == beside.resolve()):
        return "salus"
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m salus.cli.main"
    path = os.path.relpath(beside)
    return shlex.quote(path if not path.startswith("..") else str(beside))
