"""`salus status`: what a node is, whether it answers, what it holds, who is in its federation."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec

from salus.cli.command import Command
from salus.cli.terminal import say, say_json
from salus.node import open_services
from salus.settings import Settings
from salus.store.statistics import count
from salus.web.services import Services


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Print the status; 0 also when the node does not answer, for that is a status."""
    status = asyncio.run(_status(options.data))
    if options.json:
        say_json(msgspec.json.format(msgspec.json.encode(status)))
        return 0
    for name, found in status.items():
        if name != "members":
            say(f"{name:18} {'yes' if found is True else 'no' if found is False else found}")
    for member in status["members"]:
        say(f"{'member':18} {member['node']} ({member['country']}), {member['state']}, {member['base_url']}")
    return 0


async def _status(data: Path) -> dict[str, Any]:  # values of several plain types
    async with open_services(data) as (settings, services):
        counts = await count(services.database)
        answers = await _answers(services, settings)
        current = services.membership.current
        now = services.clock()
        members = (
            [
                {
                    "node": member.node,
                    "country": member.country,
                    "base_url": member.base_url,
                    "state": current.state(member.node, now),
                }
                for member in current.members
            ]
            if current
            else []
        )
        contact = services.chains.contact().value
    return {
        "node": settings.node,
        "name": settings.name,
        "address": settings.base_url,
        "folder": str(data),
        "answers": answers,
        "federation": contact,
        **msgspec.structs.asdict(counts),
        "members": members,
    }


async def _answers(services: Services, settings: Settings) -> bool:
    try:
        answer = await services.client.get(f"{settings.base_url}/healthz")
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


COMMAND = Command("status", "Say what the node is, whether it answers and what it holds.", arguments, run)
