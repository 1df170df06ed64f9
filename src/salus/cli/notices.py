"""`salus notices`: what other nodes are told of rights exercised here, and what they told (GDPR, Art. 19)."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json
from salus.node import open_services
from salus.store.peer_notices import PeerNotice
from salus.store.peer_notices_received import HomeSays
from salus.web.rights.told_abroad import received, sent, shown, state_of


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also those that a node has signed for")
    parser.add_argument(
        "--received", action="store_true",
        help="what other nodes told this one: tell it to the organisations here that got the data",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="an object a line, with the receipts")


def _run(options: argparse.Namespace) -> int:
    return asyncio.run(_received(options) if options.received else _sent(options))


async def _sent(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        found = await sent(services, operator_of(services), settled=options.all)
    for each in found:
        if options.json:
            say_json(msgspec.json.encode(shown(each)))
        else:
            say(f"{each.id}  {each.node}  {each.kind}  {_of(each.patient, each.names)}  {_standing(each)}")
    if not found and not options.json:
        say("No other node is to be told of anything.")
    return 0


async def _received(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        found = await received(services, operator_of(services))
    for each in found:
        if options.json:
            say_json(msgspec.json.encode(each))
        else:
            say(f"{each.received_at:%Y-%m-%d %H:%M}  {each.node}  {each.kind}  {_about(each)}")
    if not found and not options.json:
        say("No other node has told this one of anything.")
    return 0


def _standing(each: PeerNotice) -> str:
    state = state_of(each)
    if each.settled_at is None:
        since = f"not reached since {each.at:%Y-%m-%d %H:%M}, tried {each.tries} times: {each.error}"
        return since if state == "not-reached" else "waiting"
    when = f"{each.settled_at:%Y-%m-%d %H:%M}"
    if state == "no-copies":
        return f"told {when}; it got nothing"
    if state == "not-done":
        return f"told {when}; NOT DONE ({each.outcome}): {each.law or each.error}"
    return f"told {when}; {each.outcome}, receipt kept"


def _of(patient: str, names: tuple[str, ...]) -> str:
    return f"{', '.join(names) or 'all'} of {patient}" if patient else "a record that was erased"


def _about(each: HomeSays) -> str:
    return f"{', '.join(each.names) or 'all'} of {each.patient}  {each.outcome} ({each.copies} copies here)"


COMMAND = Command("notices", "Show what nodes with copies are told, and what they did.", _arguments, _run)
