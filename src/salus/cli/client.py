"""`salus client`: who may have tokens: local systems (Backend Services) and apps (SMART App Launch)."""

from __future__ import annotations

import argparse
import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say
from salus.core.access import Leaf, Outcome, Purpose, Role
from salus.core.clock import utc_now
from salus.core.errors import SettingsInvalid
from salus.core.identifiers import new_id
from salus.core.plain import plain
from salus.federation.apps import check_app
from salus.intake.files import is_foreign_source
from salus.node import open_services
from salus.settings import Settings
from salus.standards.jose.keys import algorithm_of
from salus.store.federation import Client, list_clients, register_client, switch_off_client
from salus.trust.scopes import parse_grantable
from salus.web.services import Services

ALGORITHMS = frozenset({"ES384", "RS384"})
ROLES = (Role.APP, Role.CLINICIAN, Role.PHARMACIST, Role.EMERGENCY)
PURPOSES = (Purpose.TREATMENT, Purpose.EMERGENCY, Purpose.PUBLIC_HEALTH)
UNDERWAY_SECONDS = 2
"""A token may be in the making while its client is switched off."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("action", choices=["register", "add", "list", "off"])
    parser.add_argument("client", nargs="?", help="register, add, off: the client id")
    parser.add_argument("--app", action="store_true", help="add: an app that people log in through")
    parser.add_argument("--name", help="register, add: its name, for the access log and for people")
    parser.add_argument(
        "--keys", type=Path, metavar="FILE", help="its public keys (JWK Set); an app without keys is public"
    )
    parser.add_argument(
        "--redirect",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="add: where an app may be answered, exact; several times for several",
    )
    parser.add_argument("--launch", default="", metavar="ADDRESS", help="add: where the portal opens the app")
    parser.add_argument(
        "--organisation",
        default="",
        metavar="SYSTEM|VALUE",
        help="register: identifier of the organisation whose people it speaks for; it may state no other",
    )
    parser.add_argument(
        "--introspect",
        action="store_true",
        help="register: a resource server: it asks of tokens that it is sent, and gets none itself",
    )
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="URI",
        help="register: a system in whose name it sends documents (meta.source); several times for several",
    )
    parser.add_argument("--scopes", help='register: e.g. "system/Observation.rs system/Patient.rs"')
    parser.add_argument(
        "--role",
        action="append",
        choices=[role.value for role in ROLES],
        help="register: for whom it may speak, several times for several: app is itself (default: app)",
    )
    parser.add_argument(
        "--purpose", action="append", choices=[purpose.value for purpose in PURPOSES],
        help="register: for what its clinicians and pharmacists ask (default: TREAT); PUBHLTH: it "
        "exports for public health, as itself",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Do what the action says."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    wanted = _wanted(options) if options.action in ("register", "add") else None
    if options.action == "off" and not options.client:
        raise SettingsInvalid("name the client: salus client off ID")
    async with open_services(options.data) as (settings, services):
        database, now = services.database, utc_now()
        if wanted is not None:
            leaf = _leaf(services, f"client {wanted.id} registered", now)
            await register_client(database, wanted, now=now, leaf=leaf)
            kind = f"{'a confidential' if wanted.keys else 'a public'} app" if wanted.is_app else "a system"
            told = f"{kind} for {' '.join(wanted.scopes)}"
            say(f"{wanted.id} is registered as {'a resource server' if wanted.introspects else told}.")
        elif options.action == "off":
            leaf = _leaf(services, f"client {options.client} off", now)
            until = _last_expiry(settings)
            if not await switch_off_client(database, options.client, until=until, leaf=leaf):
                raise SettingsInvalid(f"{options.client} is not registered; see: salus client list")
            say(f"{options.client} is off: it gets no token any more, and those it has are refused.")
        else:
            listed = await list_clients(database)
            if not listed:
                say("No client is registered.")
            for client in listed:
                fields = (client.scopes, client.roles or client.redirects, client.purposes)
                say("\t".join(map(plain, [client.id, client.name, *map(" ".join, fields)])).rstrip("\t"))
    return 0


def _leaf(services: Services, what: str, now: datetime) -> Leaf:
    """Return the leaf of a change in who may have tokens; it is about no person."""
    caller = operator_of(services)
    return Leaf(
        at=now, request=new_id(), patient="", subject=caller.subject, name=caller.name, role=caller.role,
        organisation=caller.organisation, node="", purpose=caller.purpose, action="trust", what=what,
        resources=0, outcome=Outcome.SERVED, rule="operator-registers-clients",
    )  # fmt: skip


def _last_expiry(settings: Settings) -> datetime:
    """Return when a token expires that is being issued at this moment."""
    return utc_now() + timedelta(seconds=settings.limits.token_seconds + UNDERWAY_SECONDS)


def _wanted(options: argparse.Namespace) -> Client:
    """Return the client to register.

    Raises:
        SettingsInvalid: naming what is missing or wrong.
    """
    if options.app or options.action == "add":
        return _app(options)
    if options.introspect:
        return _resource_server(options)
    if not (options.client and options.name and options.keys and options.scopes):
        raise SettingsInvalid('say: salus client register ID --name NAME --keys FILE --scopes "..."')
    if options.redirect or options.launch:
        raise SettingsInvalid("a system is sent nowhere; an app is: salus client add ID --app ...")
    scopes = tuple(options.scopes.split())
    wrong = next((scope for scope in scopes if parse_grantable(scope) is None), None)
    if wrong is not None:
        raise SettingsInvalid(f"{wrong} is no SMART scope such as system/Observation.rs")
    keys = _keys(options)
    roles = tuple(Role(name) for name in options.role or (Role.APP,))
    purposes = tuple(Purpose(name) for name in options.purpose or (Purpose.TREATMENT,))
    if Purpose.PUBLIC_HEALTH in purposes and (roles, purposes) != ((Role.APP,), (Purpose.PUBLIC_HEALTH,)):
        raise SettingsInvalid(
            "who exports for public health (PUBHLTH) does nothing else: register another client"
        )
    if roles == (Role.APP,):
        purposes = tuple(each for each in purposes if each is Purpose.PUBLIC_HEALTH)
    if options.organisation and not all(options.organisation.partition("|")):
        raise SettingsInvalid("write the organisation's identifier as SYSTEM|VALUE")
    _check_sources(options.source)
    return Client(
        options.client, options.name, keys, scopes, roles, purposes, organisation_id=options.organisation,
        sources=tuple(dict.fromkeys(options.source)),
    )  # fmt: skip


def _check_sources(sources: list[str]) -> None:
    wrong = next((one for one in sources if not is_foreign_source(one)), None)
    if wrong is not None:
        raise SettingsInvalid(
            f"{plain(wrong[:80])} is no --source: write an absolute URI such as "
            "https://hospital-a.example/fhir; those that begin with urn:salus: are the node's own"
        )


def _resource_server(options: argparse.Namespace) -> Client:
    if not (options.client and options.name and options.keys):
        raise SettingsInvalid("say: salus client register ID --introspect --name NAME --keys FILE")
    if options.scopes or options.role or options.purpose or options.organisation or options.redirect:
        raise SettingsInvalid("a resource server gets no token: leave --scopes, --role and --purpose away")
    return Client(options.client, options.name, _keys(options), (), roles=(), introspects=True)


def _app(options: argparse.Namespace) -> Client:
    """Return the app to register: it speaks for nobody by itself.

    Raises:
        SettingsInvalid: naming what is missing or wrong.
    """
    if not (options.app and options.client and options.name and options.redirect and options.scopes):
        raise SettingsInvalid(
            'say: salus client add ID --app --name NAME --redirect ADDRESS --scopes "patient/*.rs ..."'
        )
    if options.role or options.purpose or options.organisation:
        raise SettingsInvalid(
            "an app speaks for whoever logs in through it; leave --role, --purpose and --organisation away"
        )
    app = Client(
        options.client,
        options.name,
        _keys(options) if options.keys else [],
        tuple(options.scopes.split()),
        roles=(),
        redirects=tuple(options.redirect),
        launch=options.launch,
    )
    check_app(app)
    return app


def _keys(options: argparse.Namespace) -> list[dict[str, Any]]:  # Any: members of a JWK
    """Return the public keys of the file.

    Raises:
        SettingsInvalid: it cannot be read, or holds other keys.
    """
    try:
        keys: list[dict[str, Any]] = msgspec.convert(  # Any: members of a JWK
            msgspec.json.decode(options.keys.read_bytes())["keys"], list[dict[str, Any]]
        )
    except (OSError, msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
        raise SettingsInvalid(f'{options.keys} must be a JWK Set: {{"keys": [...]}}') from error
    for key in keys:
        if algorithm_of(key) not in ALGORITHMS or not key.get("kid") or "d" in key:
            raise SettingsInvalid(f"{options.keys}: keys must be public, P-384 or RSA, each with a kid")
    return keys


COMMAND = Command("client", "Register local systems and apps that may have tokens.", arguments, run)
