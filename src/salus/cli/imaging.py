"""`salus imaging`: which archives of pictures answer, which studies they hold, and what is wrong."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json
from salus.core.access import Action
from salus.core.errors import NotFound, SettingsInvalid
from salus.core.identifiers import is_fhir_id
from salus.node import open_services
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.imaging.checking import Checked, check_archives, check_studies
from salus.web.imaging.finding import find_images
from salus.web.portal.lookup import find_persons
from salus.web.services import Services


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "action",
        choices=["find", "check"],
        help="find: ask the archives for the studies of a patient, file what is new; check: which archives "
        "answer, and whether the studies of a patient are there and theirs",
    )
    parser.add_argument(
        "patient",
        nargs="?",
        default="",
        help="Patient/ID, or an identifier (system|value, or a national number)",
    )
    parser.add_argument("--json", action="store_true", help="an object a line")


def run(options: argparse.Namespace) -> int:
    """Do what the action says; 1 where something is wrong."""
    if options.action == "find" and not options.patient:
        raise SettingsInvalid("say whose: salus imaging find PATIENT")
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        if not services.archives:
            raise SettingsInvalid(
                "no archive is named: add a table [[imaging]] to salus.toml (docs/imaging.md)"
            )
        if options.action == "find":
            return await _find(options, services, await _patient(services, options.patient))
        return await _check(options, services)


async def _patient(services: Services, named: str) -> str:
    """Return the logical id: an identifier is looked up, which is an access like any other."""
    kind, _, identity = named.rpartition("/")
    if kind == "Patient" and is_fhir_id(identity):
        return identity
    asked = AccessRequest(Action.SEARCH, "Patient", "Patient?identifier")
    async with enter(services.gatehouse, operator_of(services), asked) as access:
        found = await find_persons(services, access, named)
    if len(found) != 1:
        raise NotFound("No patient, or more than one, has this identifier here; check it, or say Patient/ID.")
    return found[0].id


async def _find(options: argparse.Namespace, services: Services, patient: str) -> int:
    answered = await find_images(services, operator_of(services), patient)
    for each in answered:
        if options.json:
            say_json(msgspec.json.encode(each))
            continue
        more = ", and more that were not read" if each.more else ""
        refused = f", {each.refused} refused (another patient's, or against the rules of FHIR)"
        told = f"{each.studies} studies, {each.filed} new{refused if each.refused else ''}{more}"
        say(f"{each.archive}: {each.problem or told}")
    return int(any(each.problem or each.refused or each.more for each in answered))


async def _check(options: argparse.Namespace, services: Services) -> int:
    if options.patient:
        patient = await _patient(services, options.patient)
        found, is_whole = await check_studies(services, operator_of(services), patient)
    else:
        found, is_whole = await check_archives(services), True
    for each in found:
        if options.json:
            say_json(msgspec.json.encode(each))
        else:
            say(_line(each))
    if not found and not options.json:
        say("The record holds no ImagingStudy; ask the archives: salus imaging find PATIENT")
    if not is_whole:
        say("There are more ImagingStudies than were checked.")
    return int(not is_whole or any(each.problem for each in found))


def _line(each: Checked) -> str:
    what = f"ImagingStudy/{each.study} ({each.uid or 'no UID'}) at {each.archive or 'no archive'}"
    fine = "it is there, and this patient's" if each.study else "answers"
    return f"{what if each.study else each.archive}: {each.problem or fine}"


COMMAND = Command("imaging", "Ask archives of pictures; say what is wrong with them.", arguments, run)
