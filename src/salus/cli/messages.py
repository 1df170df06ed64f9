"""`salus messages list|print`: messages to people that wait or failed, and letters for the desk."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

import msgspec

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json
from salus.core.access import Action
from salus.core.errors import SettingsInvalid
from salus.node import open_services
from salus.store.notice_ways import FAILURES_MAX, waiting
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.letters import TYPE, Printed, as_html, as_text, print_letters


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=["list", "print"],
        help="list: messages that wait or failed; print: the letters that wait, a file each",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="print: folder that the letters are put in")
    parser.add_argument("--html", action="store_true", help="print: as pages instead of plain text")
    parser.add_argument(
        "--incident", type=int, default=0, metavar="N",
        help="print: for the people of this incident whom no message reached and who have not read of it",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="list: an object a line")


def _run(options: argparse.Namespace) -> int:
    if options.action == "print" and options.out is None:
        raise SettingsInvalid("say where the letters go: salus messages print --out DIR")
    return asyncio.run(_print(options) if options.action == "print" else _list(options))


async def _list(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        asked = AccessRequest(Action.READ, TYPE, "messages that wait")
        async with enter(services.gatehouse, operator_of(services), asked) as access:
            found = await waiting(access.grant, services.database)
            if found:
                access.record(sorted({each.patient for each in found}))
    for each in found:
        if options.json:
            say_json(msgspec.json.encode(each))
            continue
        state = "waits" if not each.failures else f"failed {each.failures} times: {each.failure}"
        if each.failures >= FAILURES_MAX:
            state = f"given up until there is another notice; {state}"
        again = f", again {each.attempt_at:%Y-%m-%d %H:%M} UTC" if each.attempt_at and each.failures else ""
        say(f"{each.patient}  {each.channel}  {state}{again}")
    if not found and not options.json:
        say("No message waits.")
    return 0


async def _print(options: argparse.Namespace) -> int:
    folder: Path = options.out
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)

    async def keep(letter: Printed) -> None:
        name = f"letter-{letter.id}.{'html' if options.html else 'txt'}"
        text = as_html(letter) if options.html else as_text(letter)
        await asyncio.to_thread(_write, folder / name, text)
        if not letter.lines:
            say(f"{name}: the record has no address.")

    async with open_services(options.data) as (_, services):
        caller, count = operator_of(services), 0
        while done := await print_letters(services, caller, keep, incident=options.incident):
            count += done
    say(f"{count} letters are in {folder}.")
    return 0


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


COMMAND = Command("messages", "Show messages that failed, and print letters for the desk.", _arguments, _run)
