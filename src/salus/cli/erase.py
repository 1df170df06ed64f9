"""`salus erase list|answer|tell`, `salus erase --again`: what people ask to have erased (GDPR, Art. 17)."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json
from salus.core.errors import SettingsInvalid
from salus.node import open_services
from salus.web.rights.erasures import (
    Answer,
    Asking,
    Told,
    answer,
    erase_again,
    note_told,
    recipients,
    requests,
    shown,
)
from salus.web.services import Services

STATES = ("accepted", "refused", "extended")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=["list", "answer", "tell"],
        help="list: what waits, the most pressing first; answer: one; tell: who holds copies and is told",
    )  # fmt: skip
    parser.add_argument("id", nargs="?", help="answer: of the request; tell: of the erasure, with --node")
    parser.add_argument("--all", action="store_true", help="list, tell: also what was answered, who was told")
    parser.add_argument(
        "--state",
        choices=STATES,
        help="answer: how; accepted erases for good",
    )
    parser.add_argument("--reason", default="", help="answer: the reasons, which the person reads")
    parser.add_argument("--node", default="", help="tell: the node that was told")
    parser.add_argument(
        "--again", action="store_true",
        help="after a restore: erase again what the file erased.jsonl names, before the node serves anybody",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="list, tell: an object a line")


def _run(options: argparse.Namespace) -> int:
    if options.again:
        return asyncio.run(_again(options))
    if options.action is None:
        raise SettingsInvalid("say what: salus erase list, answer, tell, or --again after a restore")
    if options.action == "answer" and not (options.id and options.state):
        raise SettingsInvalid(
            "say which and how: salus erase answer ID --state refused --reason TEXT; salus erase list"
        )
    return asyncio.run({"list": _list, "answer": _answer, "tell": _tell}[options.action](options))


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


def _say(services: Services, each: Asking) -> None:
    request = each.request
    late = "OVERDUE" if shown(services, each)["overdue"] else f"answer by {request.due_at:%Y-%m-%d}"
    what = request.name or "the whole record"
    say(f"{request.id}  {request.state}  {late}  {request.ground}  {what} of {request.patient}")
    say(f"\t{request.said}")
    say(f"\t{'MAY GO' if each.ruling.may else 'IS KEPT'}: {each.ruling.reason} ({each.ruling.law})")


async def _answer(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        who = operator_of(services)
        found = await answer(services, who, options.id, Answer(options.state, options.reason))
        to_tell = await recipients(services, who, told=False)
    if found.erased is None:
        say(f"The request is {found.request.state}; the person is told.")
        return 0
    say(f"Erased: {found.erased.resources} resources, and what else was kept of them.")
    if found.erased.shared:
        say("These stay, for they are about others too; have their authors take the person out of them:")
        for name in found.erased.shared:
            say(f"\t{name}")
    if any(each.erasure == options.id for each in to_tell):
        say("Others hold copies. Nodes are told by this one: salus notices. Who else is to be told:")
        say(f"\tsalus erase tell {options.id}")
    return 0


async def _tell(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        who = operator_of(services)
        if options.node:
            if not options.id:
                raise SettingsInvalid("say of which erasure: salus erase tell ID --node NODE")
            await note_told(services, who, Told(options.id, options.node))
            say(f"Noted: {options.node} was told.")
            return 0
        found = await recipients(services, who, told=options.all)
    for each in found:
        if options.id in (None, each.erasure):
            if options.json:
                say_json(msgspec.json.encode(each))
            else:
                told = f"told {each.told_at:%Y-%m-%d} by {each.told_by}" if each.told_at else "to be told"
                say(f"{each.erasure}  {each.node}  {each.organisation}  {each.holds}  {told}")
    if not found and not options.json:
        say("Nobody is to be told of an erasure.")
    return 0


async def _again(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        lacked, erased = await erase_again(services, operator_of(services))
    say(f"{lacked} erasures were not known to the database; {len(erased)} persons or entries erased again.")
    return 0


COMMAND = Command("erase", "Answer what people ask to have erased (GDPR, Art. 17).", _arguments, _run)
