"""`salus account`: what a desk does about the accounts that open a person's record.

A code is for somebody whose identity staff have checked in person; whoever has it opens the record.
"""

from __future__ import annotations

import argparse
import asyncio

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say
from salus.core.access import Action
from salus.core.errors import NotFound
from salus.node import open_services
from salus.store import accounts
from salus.trust.gate import enter
from salus.trust.login.binding import PROOFS
from salus.trust.policy import AccessRequest
from salus.web.login.records import ACCOUNT, give_code
from salus.web.services import Services


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "action",
        choices=["code", "list", "end"],
        help="code: print a one-time code that binds an account to the record; list: accounts of the record; "
        "end ACCOUNT: take one back, its sessions end at once",
    )
    parser.add_argument("account", nargs="?", default="", metavar="ACCOUNT", help="as list prints it")
    parser.add_argument(
        "--document",
        default="",
        metavar="KIND:NUMBER",
        help=f"code: the document that staff saw ({', '.join(PROOFS)}); of the number a keyed hash is kept",
    )
    parser.add_argument("--patient", required=True, metavar="ID", help="logical id of the Patient")


def run(options: argparse.Namespace) -> int:
    """Do what the action says."""
    return asyncio.run(_act(options))


async def _act(options: argparse.Namespace) -> int:
    if (options.action == "end") != bool(options.account):
        raise NotFound("salus account end takes one account; code and list take none.")
    async with open_services(options.data) as (_, services):
        if options.action == "code":
            await _code(services, options.patient, options.document)
        elif options.action == "list":
            await _list(services, options.patient)
        else:
            await _end(services, options.patient, options.account)
    return 0


async def _code(services: Services, patient: str, document: str) -> None:
    proof, _, number = document.partition(":")
    code, expires_at = await give_code(services, operator_of(services), patient, proof=proof, number=number)
    say(f"{code}  good once, until {expires_at.isoformat(timespec='minutes')}")


async def _list(services: Services, patient: str) -> None:
    asked = _asked(Action.READ, patient)
    async with enter(services.gatehouse, operator_of(services), asked) as access:
        found = await accounts.bindings(access.grant, services.database)
        access.record([patient], count=len(found))
    for each in found:
        ended = f"  taken back {each.ended_at:%Y-%m-%d}" if each.ended_at else ""
        say(f"{each.id}  {each.source}  by {each.how}  since {each.bound_at:%Y-%m-%d}{ended}")
    if not found:
        say("No account opens this record.")


async def _end(services: Services, patient: str, account: str) -> None:
    async with enter(services.gatehouse, operator_of(services), _asked(Action.UPDATE, patient)) as access:
        await accounts.end(access.grant, services.database, account)
    say("end: done")


def _asked(action: Action, patient: str) -> AccessRequest:
    return AccessRequest(action, ACCOUNT, ACCOUNT, frozenset({patient}))


COMMAND = Command("account", "Give codes that bind accounts to a record; list and end them.", arguments, run)
