"""`salus COMMAND`: finds the commands in this folder and runs one.

Only the command that is run is imported: a node's parts take longer to load than most commands to answer.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from salus.cli.terminal import say
from salus.core.errors import SalusError

if TYPE_CHECKING:
    from salus.cli.command import Command

_HEAD = re.compile(r'^COMMAND = Command\(\s*"([^"]+)",\s*"([^"]+)"', re.MULTILINE)
_PIPE_CLOSED = 141
"""What a shell reports of a program that wrote to a closed pipe (128 + SIGPIPE)."""


class Head(NamedTuple):
    """What `salus --help` says of a command, and the module that defines it."""

    module: str
    help: str


def heads() -> dict[str, Head]:
    """Return the head of every command of this folder, by name, in sorted order, as its file says it."""
    found = {}
    for file in resources.files("salus.cli").iterdir():
        if file.name.endswith(".py"):
            head = _HEAD.search(file.read_text(encoding="utf-8"))
            if head is not None:
                found[head[1]] = Head(f"salus.cli.{file.name.removesuffix('.py')}", head[2])
    return dict(sorted(found.items()))


def command_of(head: Head) -> Command:
    """Return a command, imported."""
    command: Command = importlib.import_module(head.module).COMMAND
    return command


def commands() -> dict[str, Command]:
    """Return every command of this folder, by name, in sorted order."""
    return {name: command_of(head) for name, head in heads().items()}


def parser(word: str) -> argparse.ArgumentParser:
    """Return the grammar of the command line `word ...`: of that command, or of `salus` where it is none.

    Read it with `parse_intermixed_args`: names may stand before and after options.
    """
    found = heads()
    if word in found:
        own = argparse.ArgumentParser(prog=f"salus {word}", description=found[word].help)
        _complete(own, command_of(found[word]))
        return own
    top = argparse.ArgumentParser(prog="salus", description="An open health-data node for Europe.")
    words = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, head in found.items():
        words.add_parser(name, help=head.help, description=head.help)
    return top


def _options(line: list[str]) -> argparse.Namespace:
    word = line[0] if line else ""
    grammar = parser(word)
    # A parser with subcommands reads no intermixed names; without a command there are none to read.
    return grammar.parse_intermixed_args(line[1:]) if word in heads() else grammar.parse_args(line)


def _complete(sub: argparse.ArgumentParser, command: Command) -> None:
    sub.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("SALUS_DATA", "salus-data")),
        metavar="DIR",
        help="the node's folder (environment SALUS_DATA, default ./salus-data)",
    )
    command.arguments(sub)
    sub.set_defaults(run=command.run)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an expected failure is one line on standard error and exit code 1."""
    line = sys.argv[1:] if arguments is None else arguments
    try:
        options = _options(line)
        code = int(options.run(options))
        sys.stdout.flush()
    except SalusError as error:
        say(f"salus: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read us has enough (`| head`). What is still buffered goes nowhere, without a complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    return code


if __name__ == "__main__":
    sys.exit(main())
