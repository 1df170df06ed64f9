"""`salus search-parameters`: the search parameters added to a node, and how far they are indexed."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import msgspec

from salus.cli.command import Command
from salus.cli.terminal import say, say_json
from salus.node import open_services
from salus.store.search_parameters import State, reindex, states


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--index", action="store_true", help="index what is not ready now, also where no node is running"
    )
    parser.add_argument("--json", action="store_true", help="as one JSON array")


def run(options: argparse.Namespace) -> int:
    """Print one line for each added parameter."""
    found = asyncio.run(_states(options.data, index=options.index))
    if options.json:
        say_json(msgspec.json.format(msgspec.json.encode(found)))
        return 0
    for one in found:
        base = ", ".join(one.base)
        say(f"{one.state:9} {one.code} ({one.type}) of {base}: {one.resources:,} resources, {one.url}")
    if not found:
        say("No search parameter was added to this node: store a SearchParameter as an operator to add one.")
    return 0


async def _states(data: Path, *, index: bool) -> list[State]:
    async with open_services(data) as (_, services):
        if index:
            async for _ in reindex(services.database, key=services.keys.search):
                pass
        return await states(services.database)


COMMAND = Command("search-parameters", "List the search parameters added to the node.", arguments, run)
