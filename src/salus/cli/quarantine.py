"""`salus quarantine list|show|retry`: what was refused, why, and trying it again."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json, shown
from salus.core.access import Action
from salus.core.errors import Conflict, InvalidResource, MalformedContent, NotFound
from salus.intake.conditions import lookup_in
from salus.intake.formats import table
from salus.intake.load import Plan
from salus.intake.report import Report
from salus.intake.retry import correct, retry
from salus.node import open_services
from salus.store import quarantine
from salus.store.postgres import LOADING
from salus.store.quarantine import Kept
from salus.store.retention import expire_quarantine
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.writing import settling
from salus.web.services import Services


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=["list", "show", "retry"],
        help="list: what is there; show: one piece, why it was refused and its content; "
        "retry: validate and store again (exit code 2 when something stays)",
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="for show (one) and retry")
    parser.add_argument("--all", action="store_true", help="retry everything that is there")
    parser.add_argument("--source", default="", metavar="URI", help="list only what came from this source")
    parser.add_argument("--content", action="store_true", help="show only the bytes as received")
    parser.add_argument(
        "--with", dest="replacement", type=Path, metavar="FILE", help="retry one ID with corrected content"
    )
    parser.add_argument(
        "--other-resource",
        action="store_true",
        help="with --with: FILE may hold another resource than the one that was refused",
    )
    parser.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE",
        help="retry: the mapping of rows of tables",
    )
    parser.add_argument("--lenient", action="store_true", help="retry: store the valid entries of Bundles")
    parser.add_argument("--json", action="store_true", help="list: an object a line; retry: one object")


def _run(options: argparse.Namespace) -> int:
    action = {"list": _list, "show": _show, "retry": _retry}[options.action]
    return asyncio.run(action(options))


def _request(what: str) -> AccessRequest:
    return AccessRequest(Action.OPEN_QUARANTINE, "", what)


def _record(access: Access, kept: Sequence[Kept]) -> None:
    for one in kept:
        patient = one.rejection.patient
        access.record((patient,) if patient else ())


async def _list(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        await expire_quarantine(services.database, services.clock())
        async with enter(services.gatehouse, operator_of(services), _request("quarantine list")) as access:
            kept = await quarantine.listed(access.grant, services.database, source=options.source)
            _record(access, kept)
    for one in kept:
        row = _described(one)
        if options.json:
            say_json(msgspec.json.encode(row))
        else:
            place = f"{row['file']}:{row['line']}" + (f" entry {row['entry']}" if row["entry"] >= 0 else "")
            reason = f"{row['expression']}: {row['reason']}" if row["expression"] else row["reason"]
            say(f"{row['id']}  {row['type'] or '?':20}  {place}", f"    {reason}")
    return 0


def _described(one: Kept) -> dict[str, Any]:  # Any: JSON values
    rejection = one.rejection
    first = msgspec.json.decode(rejection.outcome)["issue"][0]
    return {
        "id": one.id,
        "type": rejection.type,
        "source": rejection.source,
        "file": rejection.file,
        "line": rejection.line,
        "entry": rejection.entry,
        "arrived_at": one.arrived_at,
        "expires_at": one.expires_at,
        "expression": next(iter(first.get("expression", ())), ""),
        "reason": first.get("diagnostics", ""),
    }


async def _show(options: argparse.Namespace) -> int:
    if len(options.ids) != 1:
        raise NotFound("Name the ID of one piece to show; `salus quarantine list` gives the ids.")
    async with open_services(options.data) as (_, services):
        request = _request(f"quarantine {options.ids[0][:64]}")
        async with enter(services.gatehouse, operator_of(services), request) as access:
            one = await quarantine.opened(access.grant, services.database, options.ids[0])
            _record(access, [one])
    if options.content:
        sys.stdout.buffer.write(one.rejection.content)
        return 0
    described = {**_described(one), "outcome": msgspec.Raw(one.rejection.outcome)}
    say_json(msgspec.json.format(msgspec.json.encode(described)))
    say(*shown(one.rejection.content).split("\n"))
    return 0


async def _retry(options: argparse.Namespace) -> int:
    try:
        report = await _again(options)
    except (Conflict, InvalidResource, MalformedContent) as refused:
        say(f"salus: {refused.message}", file=sys.stderr)
        report = Report(read=1, rejected=1)
    if options.json:
        say_json(msgspec.json.encode(report))
    else:
        say(_sentence(report))
    return 2 if report.rejected else 0


async def _again(options: argparse.Namespace) -> Report:
    correction = _correction(options)
    async with open_services(options.data, roles=LOADING) as (_, services):
        kept = await _opened(options, services)
        request = AccessRequest(Action.LOAD, "", f"retry of {len(kept)} from quarantine")
        async with enter(services.gatehouse, operator_of(services), request) as access:
            key, limits = services.keys.search, services.limits
            lookup = lookup_in(access.grant, services.database, key, limits)
            default_denies = services.gatehouse.law.default_denies
            settle = settling(services, access.grant)
            mapping = None if options.mapping is None else table.mapping_in(options.mapping)
            plan = Plan(
                key, limits, lookup, options.lenient,
                default_denies=default_denies, settle=settle, mapping=mapping,
            )  # fmt: skip
            if correction is None:
                return await retry(access.grant, services.database, plan, kept)
            other = options.other_resource
            return await correct(access.grant, services.database, plan, kept[0], correction, other=other)


def _correction(options: argparse.Namespace) -> bytes | None:
    """Return the corrected content, None when none is given."""
    if options.replacement is None:
        return None
    if len(options.ids) != 1:
        raise NotFound("--with FILE goes with exactly one ID.")
    try:
        return bytes(options.replacement.read_bytes())
    except OSError as error:
        raise NotFound(f"{options.replacement} cannot be read: {error.strerror}.") from error


async def _opened(options: argparse.Namespace, services: Services) -> list[Kept]:
    if bool(options.ids) == options.all:
        raise NotFound("Name what to try again by its ID (`salus quarantine list`), or say --all.")
    async with enter(services.gatehouse, operator_of(services), _request("quarantine retry")) as access:
        ids = options.ids
        if options.all:
            ids = [one.id for one in await quarantine.listed(access.grant, services.database)]
        kept = [await quarantine.opened(access.grant, services.database, one) for one in ids]
        _record(access, kept)
    return kept


def _sentence(report: Report) -> str:
    return (
        f"{report.stored:,} resources stored, {report.unchanged:,} unchanged, "
        f"{report.rejected:,} refused, and still in quarantine as received."
    )


COMMAND = Command("quarantine", "Look at rejected input and try it again.", _arguments, _run)
