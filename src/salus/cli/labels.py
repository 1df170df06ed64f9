"""`salus labels status|renew`: which version of the table of sensitive codes what is hidden goes by."""

from __future__ import annotations

import argparse
import asyncio

from salus.cli.command import Command
from salus.cli.terminal import say
from salus.node import open_services
from salus.standards.sensitivity.table import version
from salus.store.labelling import labelled_by
from salus.trust.relabelling import relabel

BEHIND = 1
"""Exit code of status where what is hidden goes by another version."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=["status", "renew"],
        help="status: whether what is hidden goes by the table of this version of Salus (exit code 1: not "
        "yet); renew: work out anew what is hidden, as a serving node does by itself",
    )


def _run(options: argparse.Namespace) -> int:
    return asyncio.run(_renew(options) if options.action == "renew" else _status(options))


async def _status(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        known = await labelled_by(services.database)
    say(f"The table of sensitive codes: {version()}. What is hidden goes by: {known or 'none yet'}.")
    return 0 if known == version() else BEHIND


async def _renew(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        found = await relabel(services.gatehouse, services.database, issuer=services.base_url)
        done = await labelled_by(services.database) == version()
    if not done:
        say("Another process of this node works it out now; look with `salus labels status`.")
        return BEHIND
    say(f"What is hidden goes by the table {version()}; worked out anew in {found.records} records.")
    if found.left:
        say(f"{found.left} records keep what was hidden before: their Consents are more than the node hears.")
    return 0


COMMAND = Command(
    "labels", "Which version of the table of sensitive codes what is hidden goes by.", _arguments, _run
)
