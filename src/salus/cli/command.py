"""What a command is: one file in this folder defines `COMMAND`, and `main` finds it."""

from __future__ import annotations

import argparse
from collections.abc import Callable

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
