"""`salus emergencies list|review`: emergency accesses that wait for a second look, and what it found."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from salus.cli.command import Command
from salus.cli.operator import auditor_of
from salus.cli.terminal import say, say_json
from salus.core.errors import SettingsInvalid
from salus.node import open_services
from salus.store.emergencies import Emergency
from salus.trust.emergencies import VERDICTS, second_look, waiting
from salus.web.emergency import shown, ward_of
from salus.web.services import Services


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=["list", "review"], help="list: what waits; review: keep what you found"
    )
    parser.add_argument("id", nargs="?", help="review: of the emergency access, as the list shows it")
    parser.add_argument("--all", action="store_true", help="list: also those that were looked at")
    parser.add_argument("--verdict", choices=list(VERDICTS), help="review: what you found")
    parser.add_argument("--note", default="", help="review: why, in a few words")
    parser.add_argument("--json", action="store_true", help="list: an object a line")


def _run(options: argparse.Namespace) -> int:
    if options.action == "review" and not (options.id and options.verdict):
        raise SettingsInvalid(
            "say which and what you found: salus emergencies review ID --verdict justified --note TEXT; "
            "the ids: salus emergencies list"
        )
    return asyncio.run(_review(options) if options.action == "review" else _list(options))


async def _list(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        found = await waiting(ward_of(services), auditor_of(services), reviewed=options.all)
        for each in found:
            if options.json:
                say_json(msgspec.json.encode(shown(each, services)))
            else:
                _say(each, services)
        if not found and not options.json:
            say("No emergency access waits for a second look.")
    return 0


def _say(each: Emergency, services: Services) -> None:
    state = each.verdict or (
        "OVERDUE" if services.clock() >= each.review_by else f"look by {each.review_by:%Y-%m-%d %H:%M} UTC"
    )
    place = ", ".join(filter(None, (each.organisation, each.node)))
    say(f"{each.id}  {state}  {each.began_at:%Y-%m-%d %H:%M} UTC  {each.name}  {place}  of {each.patient}")
    say(f"\t{each.reason}")


async def _review(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        auditor = auditor_of(services)
        found = await second_look(ward_of(services), auditor, options.id, options.verdict, options.note)
    say(f"The emergency access of {found.name} is kept as {options.verdict}.")
    return 0


COMMAND = Command("emergencies", "Look again at emergency accesses (EHDS, Art. 11(5)).", _arguments, _run)
