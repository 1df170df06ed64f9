"""`salus token`: a test login for a demonstration node, as an access token on standard output.

Whoever may read the node's keys may make a token; this command does it only where the settings say demo.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import msgspec

from salus.cli.command import Command
from salus.cli.terminal import say
from salus.core.access import Purpose, Role
from salus.core.clock import utc_now
from salus.core.errors import MultipleMatches, NotFound
from salus.node import load_node_keys, open_services, terms_of
from salus.settings import Settings, read_settings
from salus.trust.tokens import issue
from salus.web.portal.lookup import find_citizens
from salus.web.portal.personas import persona_caller, require_demo

ROLES = [
    Role.CITIZEN,
    Role.CLINICIAN,
    Role.PHARMACIST,
    Role.EMERGENCY,
    Role.DESK,
    Role.OPERATOR,
    Role.AUDITOR,
]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--role", required=True, choices=[role.value for role in ROLES])
    parser.add_argument(
        "--purpose", choices=[purpose.value for purpose in Purpose], help="default: the role's own"
    )
    parser.add_argument("--patient", metavar="ID", help="for a citizen: the logical id of their Patient here")
    parser.add_argument(
        "--identifier", metavar="[SYSTEM|]VALUE", help="for a citizen: their national identifier"
    )
    parser.add_argument("--seconds", type=int, metavar="N", help="its life (default: limits.token_seconds)")


def run(options: argparse.Namespace) -> int:
    """Print a token."""
    settings = read_settings(options.data)
    require_demo(demo=settings.demo)
    patient = options.patient
    if options.identifier and not patient:
        patient = asyncio.run(_find(options.data, options.identifier))
    purpose = Purpose(options.purpose) if options.purpose else None
    say(make_token(options.data, settings, Role(options.role), purpose, patient, seconds=options.seconds))
    return 0


def make_token(
    data: Path,
    settings: Settings,
    role: Role,
    purpose: Purpose | None,
    patient: str | None,
    *,
    seconds: int | None,
) -> str:
    """Return an access token for a test person of the node in folder `data`."""
    require_demo(demo=settings.demo)
    caller = persona_caller(role, settings.country, purpose=purpose, patient=patient)
    terms = terms_of(settings)
    if seconds:
        terms = msgspec.structs.replace(terms, seconds=seconds)
    return issue(load_node_keys(data).token, caller, terms, now=utc_now())


async def _find(data: Path, identifier: str) -> str:
    """Return the logical id of the only Patient with the identifier; the look-up is written down."""
    async with open_services(data) as (_, services):
        found = await find_citizens(services, identifier)
    if not found:
        raise NotFound("No Patient of this node has that identifier.")
    if len(found) > 1:
        raise MultipleMatches(f"{len(found)} Patients have that identifier; choose one with --patient.")
    return found[0].id


COMMAND = Command("token", "Print a test login token (demonstration nodes only).", arguments, run)
