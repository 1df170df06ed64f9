"""`salus rota load|list`: who is on call for which unit, so that they count as treating its patients."""

from __future__ import annotations

import argparse
import asyncio
import csv
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say
from salus.core.access import Action
from salus.core.errors import MalformedContent, SettingsInvalid
from salus.core.identifiers import is_fhir_id
from salus.node import open_services
from salus.store.on_call import LISTED_MAX, Shift, replace_rota, rota
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest

COLUMNS = ("subject", "unit", "starts", "ends")
UNITS = ("Organization", "Location", "HealthcareService", "PractitionerRole")
SHIFT_DAYS_MAX = 7
"""A longer one is no shift: who works at a unit has a PractitionerRole there."""
_SUBJECT_MAX = 400


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=["load", "list"], help="load: FILE instead of what was loaded before"
    )
    parser.add_argument(
        "file", nargs="?", type=Path, help="load: CSV with the columns subject,unit,starts,ends"
    )


def _run(options: argparse.Namespace) -> int:
    if options.action == "load" and options.file is None:
        raise SettingsInvalid("say which file: salus rota load rota.csv; docs/commands.md shows one")
    return asyncio.run(_load(options) if options.action == "load" else _list(options))


async def _load(options: argparse.Namespace) -> int:
    try:
        with options.file.open(encoding="utf-8-sig", newline="") as file:
            shifts = read_shifts(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedContent(f"{options.file} cannot be read; it is a CSV file in UTF-8.") from error
    async with open_services(options.data) as (_, services):
        asked = AccessRequest(Action.UPDATE, "rota", "on-call rota")
        async with enter(services.gatehouse, operator_of(services), asked) as access:
            await replace_rota(access.grant, services.database, shifts)
    say(f"{len(shifts)} shifts are kept, instead of those before; running nodes follow within a minute.")
    return 0


async def _list(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        asked = AccessRequest(Action.READ, "rota", "on-call rota")
        async with enter(services.gatehouse, operator_of(services), asked) as access:
            found = await rota(access.grant, services.database)
    for each in found:
        say(f"{each.subject},{each.unit},{each.starts_at.isoformat()},{each.ends_at.isoformat()}")
    if not found:
        say("Nobody is on call: load a rota with salus rota load FILE.")
    return 0


def read_shifts(rows: Iterable[dict[str | None, str | list[str] | None]]) -> list[Shift]:
    """Return the shifts of a table.

    Raises:
        MalformedContent: naming the line and what is allowed.
    """
    found: dict[tuple[str, str, datetime], Shift] = {}
    for number, row in enumerate(rows, start=2):  # the first line holds the names of the columns
        if len(found) >= LISTED_MAX:
            raise MalformedContent(
                f"A rota holds at most {LISTED_MAX} shifts; leave out those that are over."
            )
        shift = _shift(row, f"line {number}")
        found[shift.subject, shift.unit, shift.starts_at] = shift
    return list(found.values())


def _shift(row: dict[str | None, str | list[str] | None], place: str) -> Shift:
    if set(row) != set(COLUMNS) or not all(isinstance(row[name], str) for name in COLUMNS):
        raise MalformedContent(
            f"{place}: each line has the columns {','.join(COLUMNS)}, named in the first line."
        )
    subject, unit, starts, ends = (str(row[name]).strip() for name in COLUMNS)
    kind, _, identity = unit.partition("/")
    if not 0 < len(subject) <= _SUBJECT_MAX or not subject.isprintable():
        raise MalformedContent(
            f"{place}: subject is whom the access log names, at most {_SUBJECT_MAX} characters."
        )
    if kind not in UNITS or not is_fhir_id(identity):
        raise MalformedContent(f"{place}: unit is Type/id, of {', '.join(UNITS)}, as encounters name it.")
    begin, end = _moment(starts, f"{place}: starts"), _moment(ends, f"{place}: ends")
    if not begin < end <= begin + timedelta(days=SHIFT_DAYS_MAX):
        raise MalformedContent(f"{place}: a shift ends after it starts, within {SHIFT_DAYS_MAX} days.")
    return Shift(subject, unit, begin, end)


def _moment(text: str, place: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise MalformedContent(f"{place} is a moment with its zone, such as 2026-12-24T20:00:00+01:00.")
    return at


COMMAND = Command("rota", "Say who is on call for which unit (EHDS, Art. 11(1)).", _arguments, _run)
