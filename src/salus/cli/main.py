"""`salus COMMAND`: finds the commands in this folder and runs one."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from pathlib import Path

from salus import cli
from salus.cli.command import Command
from salus.core.errors import SalusError


def commands(word: str = "") -> dict[str, Command]:
    """Return every command of this folder, by name, in sorted order; only the named one where `word` is one.

    The commands' modules bring most of Salus with them: importing one is all that running one needs.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(cli.__path__))
    if word in names:
        module = importlib.import_module(f"salus.cli.{word}")
        if hasattr(module, "COMMAND"):
            return {module.COMMAND.name: module.COMMAND}
    modules = (importlib.import_module(f"salus.cli.{name}") for name in names)
    found = [module.COMMAND for module in modules if hasattr(module, "COMMAND")]
    return {command.name: command for command in found}


def parser(word: str = "") -> argparse.ArgumentParser:
    """Return the command line's grammar, or the part of it that `word`, the first one, needs."""
    top = argparse.ArgumentParser(prog="salus", description="An open health-data node for Europe.")
    words = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in commands(word).values():
        sub = words.add_parser(command.name, help=command.help, description=command.help)
        sub.add_argument(
            "--data",
            type=Path,
            default=Path(os.environ.get("SALUS_DATA", "salus-data")),
            metavar="DIR",
            help="the node's folder (environment SALUS_DATA, default ./salus-data)",
        )
        command.arguments(sub)
        sub.set_defaults(run=command.run)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an expected failure is one line on standard error and exit code 1."""
    words = sys.argv[1:] if arguments is None else arguments
    options = parser(words[0] if words else "").parse_args(words)
    try:
        return int(options.run(options))
    except SalusError as error:
        print(f"salus: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
