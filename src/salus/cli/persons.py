"""`salus persons`: which Patients are one person."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say
from salus.core.access import Action, Grant
from salus.core.errors import NotFound
from salus.node import open_services
from salus.store import persons
from salus.store.postgres import Connection
from salus.trust.consent.hanging import renew_persons
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.services import Services

NOBODY, SEVERAL = 1, 2
"""Exit codes of find beside 0: nobody fits; several fit and none is picked."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=["propose", "list", "merge", "unmerge", "refuse", "find", "confirm"],
        help="propose: compare all and note who are alike; list: what is proposed; merge STAYS GOES; "
        "unmerge ONE OTHER; refuse ONE OTHER: they are two persons; find SYSTEM|VALUE "
        "(exit code 1: nobody, 2: several); confirm ID: "
        "look-ups find a person whom a citizen registered",
    )
    parser.add_argument("names", nargs="*", metavar="ID", help="logical ids of Patients, or an identifier")
    parser.add_argument(
        "--state", choices=["proposed", "merged", "refused"], default="proposed", help="for list"
    )


def _run(options: argparse.Namespace) -> int:
    return asyncio.run(_act(options))


async def _act(options: argparse.Namespace) -> int:
    wanted = {"propose": 0, "list": 0, "find": 1, "confirm": 1}.get(options.action, 2)
    if len(options.names) != wanted:
        raise NotFound(f"salus persons {options.action} takes {wanted} names; see salus persons --help.")
    async with open_services(options.data) as (_, services):
        if options.action in ("merge", "unmerge", "refuse", "confirm"):
            return await _decide(options, services)
        action: Callable[[argparse.Namespace, Services, Access], Awaitable[int]] = {
            "propose": _propose, "list": _list, "find": _find,
        }[options.action]  # fmt: skip
        request = AccessRequest(Action.SEARCH, "Patient", f"persons {options.action}")
        async with enter(services.gatehouse, operator_of(services), request) as access:
            return await action(options, services, access)


async def _propose(_options: argparse.Namespace, services: Services, access: Access) -> int:
    count = await persons.propose(access.grant, services.database)
    say(f"{count} pairs of Patients are alike; see `salus persons list`.")
    return 0


async def _list(options: argparse.Namespace, services: Services, access: Access) -> int:
    pairs = await persons.proposals(access.grant, services.database, options.state)
    for pair in pairs:
        access.record((pair.patient, pair.other), f"Patient/{pair.patient}")
        say(f"{pair.patient}  {pair.other}  {pair.score:.2f}  {pair.reason}")
    return 0


async def _find(options: argparse.Namespace, services: Services, access: Access) -> int:
    system, _, value = options.names[0].rpartition("|")
    found = await persons.find_patients(
        access.grant, services.database, key=services.keys.search, identifiers=((system, value),)
    )
    for candidate in found:
        access.record(candidate.resource.patients)
        say(
            candidate.resource.id
            + ("  ambiguous: several fit, none is picked" if candidate.ambiguous else "")
        )
    if not found:
        say("No Patient here has this identifier.")
        return NOBODY
    return 0 if len(found) == 1 else SEVERAL


async def _decide(options: argparse.Namespace, services: Services) -> int:
    one, other = (*options.names, "")[:2]
    request = AccessRequest(Action.UPDATE, "Patient", f"persons {options.action}")
    async with enter(services.gatehouse, operator_of(services), request) as access:
        await _decided(options.action, access.grant, services, one, other)
    say(f"{options.action}: done")
    return 0


async def _decided(action: str, grant: Grant, services: Services, one: str, other: str) -> None:
    default_denies = services.gatehouse.law.default_denies

    async def after(connection: Connection, patients: Sequence[str]) -> None:
        await renew_persons(grant, connection, patients, default_denies=default_denies)

    if action == "merge":
        await persons.merge(grant, services.database, one, other, key=services.keys.search, after=after)
    elif action == "unmerge":
        await persons.unmerge(grant, services.database, one, other, key=services.keys.search, after=after)
    elif action == "confirm":
        await persons.confirm(grant, services.database, one, key=services.keys.search)
    else:
        await persons.refuse(grant, services.database, one, other)


COMMAND = Command("persons", "Find, merge and unmerge Patients that are one person.", _arguments, _run)
