"""`salus permit issue|list|extend|end`: data permits of the health data access body (EHDS, Art. 68)."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from salus.cli.command import Command
from salus.cli.moment import moment
from salus.cli.operator import access_body_of
from salus.cli.terminal import say, say_json
from salus.core.errors import SettingsInvalid
from salus.node import open_services
from salus.store.permits import Permit
from salus.trust import permits
from salus.trust.permits import Wish, terms
from salus.web.services import Services


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=["issue", "list", "extend", "end"],
        help="issue: a new one, with the key of its pseudonyms; extend: once; end: its key is destroyed",
    )  # fmt: skip
    parser.add_argument("id", nargs="?", help="extend, end: of the permit")
    parser.add_argument("--holder", default="", help="issue: the health data user")
    parser.add_argument(
        "--purpose", action="append", default=[], choices=list(terms().purposes),
        help="issue: letter of EHDS Art. 53(1), may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--category", action="append", default=[], choices=list(terms().categories),
        help="issue: letter of EHDS Art. 51(1), may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--public-body", action="store_true", help="issue: the holder is a public sector body"
    )
    parser.add_argument("--since", type=moment, metavar="TIME", help="issue: from when (default: now)")
    parser.add_argument("--until", type=moment, metavar="TIME", help="issue, extend: until when")
    parser.add_argument("--reason", default="", help="end: why before its time")
    parser.add_argument("--json", action="store_true", help="list: an object a line")


def _run(options: argparse.Namespace) -> int:
    if options.action in ("extend", "end") and not options.id:
        raise SettingsInvalid(f"say which: salus permit {options.action} ID; see: salus permit list")
    if options.action in ("issue", "extend") and options.until is None:
        raise SettingsInvalid("say until when: --until 2030-01-01T00:00:00Z")
    return asyncio.run(_do(options))


async def _do(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        caller, gatehouse, database = access_body_of(services), services.gatehouse, services.database
        if options.action == "issue":
            wish = Wish(
                options.holder, tuple(options.purpose), tuple(options.category), options.until,
                options.since, options.public_body,
            )  # fmt: skip
            permit = await permits.issue(gatehouse, database, caller, wish)
            say(f"Permit {permit.id} is issued until {permit.ends_at:%Y-%m-%d}.")
        elif options.action == "extend":
            await permits.extend(gatehouse, database, caller, options.id, options.until)
            say(f"Permit {options.id} ends at {options.until.isoformat()}.")
        elif options.action == "end":
            await permits.end(gatehouse, database, caller, options.id, options.reason)
            say(f"Permit {options.id} has ended; the key of its pseudonyms is destroyed.")
        else:
            found = await permits.list_permits(gatehouse, database, caller)
            _say(services, found, as_json=options.json)
    return 0


def _say(services: Services, found: list[Permit], *, as_json: bool) -> None:
    for each in found:
        if as_json:
            say_json(msgspec.json.encode(each))
            continue
        state = "in force" if each.is_in_force(services.clock()) else "not in force"
        if each.ended_at:
            state = f"ended {each.ended_at:%Y-%m-%d}: {each.reason}"
        purposes, categories = ", ".join(each.purposes), ", ".join(each.categories)
        say(
            f"{each.id}  {state}  {each.starts_at:%Y-%m-%d} to {each.ends_at:%Y-%m-%d}  {each.holder}",
            f"    purposes {purposes} (Art. 53(1)); categories {categories} (Art. 51(1))",
        )
    if not found and not as_json:
        say("There is no permit.")


COMMAND = Command("permit", "Issue and end data permits, and their keys of pseudonyms.", _arguments, _run)
