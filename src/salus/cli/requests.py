"""`salus requests list|answer`: what people ask to have corrected, and the node's answer (GDPR, Art. 16)."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json
from salus.core.errors import SettingsInvalid
from salus.node import open_services
from salus.store.rectifications import Rectification
from salus.web.rights.rectifications import Answer, answer, requests, shown
from salus.web.services import Services

STATES = ("accepted", "refused", "extended")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=["list", "answer"], help="list: what waits, the most pressing first; answer: one"
    )
    parser.add_argument("id", nargs="?", help="answer: of the request, as the list shows it")
    parser.add_argument("--all", action="store_true", help="list: also those that were answered")
    parser.add_argument("--state", choices=STATES, help="answer: how; extended: two months more, once")
    parser.add_argument("--reason", default="", help="answer: the reasons, which the person reads")
    parser.add_argument("--version", type=int, help="answer accepted: the version of the entry that is right")
    parser.add_argument(
        "--unmerge", action="store_true", help="answer accepted: part the records that were merged wrongly"
    )
    parser.add_argument("--json", action="store_true", help="list: an object a line")


def _run(options: argparse.Namespace) -> int:
    if options.action == "answer" and not (options.id and options.state):
        raise SettingsInvalid(
            "say which and how: salus requests answer ID --state refused --reason TEXT; "
            "the ids: salus requests list"
        )
    return asyncio.run(_answer(options) if options.action == "answer" else _list(options))


async def _list(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        found = await requests(services, operator_of(services), answered=options.all)
        for each in found:
            if options.json:
                say_json(msgspec.json.encode(shown(services, each)))
            else:
                _say(services, each)
        if not found and not options.json:
            say("No request waits for an answer.")
    return 0


def _say(services: Services, each: Rectification) -> None:
    late = "OVERDUE" if shown(services, each)["overdue"] else f"answer by {each.due_at:%Y-%m-%d}"
    say(f"{each.id}  {each.state}  {late}  {each.kind}  {each.type}/{each.entry} of {each.patient}")
    say(f"\t{each.said}")


async def _answer(options: argparse.Namespace) -> int:
    said = Answer(options.state, options.reason, options.version, options.unmerge)
    async with open_services(options.data) as (_, services):
        found = await answer(services, operator_of(services), options.id, said)
    say(f"The request is {found.state}; the person is told.")
    return 0


COMMAND = Command("requests", "Answer what people ask to have corrected (GDPR, Art. 16).", _arguments, _run)
