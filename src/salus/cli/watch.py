"""`salus watch`: read the ledger for what is unusual, list what was found, tell of patients to watch over."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json
from salus.core.errors import SettingsInvalid
from salus.node import open_services, watch_ledger
from salus.trust.incidents import Desk, finding_of, list_findings, mark
from salus.web.incidents import desk_of, shown_finding
from salus.web.services import Services

MARKS = {"honey": False, "protected": False, "staff": True, "kin": True}
"""Kinds of marks, and whether they name a subject."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "action",
        choices=["once", "list", "mark"],
        help="once: read what is new now (a running node does so every five minutes); list: what was found; "
        "mark: a patient is honey, protected, staff or kin",
    )
    parser.add_argument("id", nargs="?", help="mark: the patient's logical id")
    parser.add_argument(
        "--as", dest="kind", choices=sorted(MARKS),
        help="mark: honey (nobody's record), protected (public eye), staff (works here), kin (of --of)",
    )  # fmt: skip
    parser.add_argument("--of", default="", metavar="SUBJECT", help="mark: the worker, as leaves name them")
    parser.add_argument("--all", action="store_true", help="list: also what was dealt with")
    parser.add_argument("--json", action="store_true", help="list: an object a line")


def run(options: argparse.Namespace) -> int:
    """Do what the action says."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        desk = desk_of(services, operator_of(services))
        if options.action == "once":
            await _once(services)
        elif options.action == "list":
            await _list(options, desk)
        else:
            names_worker = bool(options.of)
            if not (options.id and options.kind) or MARKS[options.kind] != names_worker:
                raise SettingsInvalid(
                    "say: salus watch mark PATIENT --as honey|protected, or --as staff|kin --of SUBJECT"
                )
            await mark(desk, options.id, options.kind, options.of)
            say(f"{options.id} is marked as {options.kind}.")
    return 0


async def _once(services: Services) -> None:
    done = await watch_ledger(services)
    say(f"{done.leaves:,} leaves read, {done.found} new findings.")


async def _list(options: argparse.Namespace, desk: Desk) -> None:
    found = await list_findings(desk, settled=options.all)
    for each in found:
        if options.json:
            say_json(msgspec.json.encode(shown_finding(each)))
            continue
        finding = finding_of(each)
        leaves = sorted({leaf for reason in finding.reasons for leaf in reason.leaves})
        became = f", incident {each.incident}" if each.incident else ", dismissed" if each.dismissed else ""
        say(
            f"{each.id}  {finding.day}  score {finding.score:.1f}{became}",
            f"    {finding.sentence}",
            f"    leaves {', '.join(map(str, leaves))}",
        )
    if not found and not options.json:
        say("No finding waits.")


COMMAND = Command("watch", "Read the ledger for unusual accesses and list what was found.", arguments, run)
