"""`salus explain REQUEST`: why an access was permitted or refused, in plain words."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from salus.cli.command import Command
from salus.cli.operator import auditor_of
from salus.cli.terminal import say, say_json
from salus.core.access import Action
from salus.core.errors import NotFound
from salus.node import open_services
from salus.store.requests import leaves_of_request
from salus.trust.explain import Explanation, explain_to_citizen, explain_to_professional
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest

_TO = {"citizen": explain_to_citizen, "professional": explain_to_professional}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("request", metavar="REQUEST", help="id of the request, as the access log shows it")
    parser.add_argument(
        "--to", choices=list(_TO), default="citizen", help="in whose words; default: the citizen's"
    )
    parser.add_argument("--json", action="store_true", help="an object a line")


def _run(options: argparse.Namespace) -> int:
    found = asyncio.run(_explained(options))
    if not found:
        raise NotFound(f"The log has no access with the id {options.request}; the access log shows the ids.")
    for one in found:
        if options.json:
            say_json(msgspec.json.encode(one))
            continue
        say(*one.said)
        if one.rule:
            say(f"Rule: {one.rule}." + (f" Law: {one.law}." if one.law else ""))
    return 0


async def _explained(options: argparse.Namespace) -> list[Explanation]:
    async with open_services(options.data) as (_, services):
        asked = AccessRequest(Action.AUDIT, "AuditEvent", "explanation")
        async with enter(services.gatehouse, auditor_of(services), asked) as access:
            leaves = await leaves_of_request(access.grant, services.database, options.request)
            for leaf in leaves:
                access.record((leaf.patient,) if leaf.patient else ())
    return [_TO[options.to](leaf) for leaf in leaves]


COMMAND = Command("explain", "Say why an access was permitted or refused.", _arguments, _run)
