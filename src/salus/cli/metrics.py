"""`salus metrics`: who conforms: indicators of interoperability and adoption over time (docs/metrics.md)."""

from __future__ import annotations

import argparse
import asyncio
from datetime import date

import msgspec

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json
from salus.core.access import Action
from salus.node import open_services
from salus.primary.indicators.measure import measure_bundle
from salus.primary.indicators.prometheus import exposition
from salus.primary.indicators.results import GROUPINGS, Fault, Result, rank_faults, work_out
from salus.primary.indicators.table import indicators
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.profiles.shipped import shipped_book
from salus.standards.fhir.profiles.validator import check_resource
from salus.store.statistics import sample_patients
from salus.store.tallies import read_tallies, set_level
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.operations.summary import composed
from salus.web.metrics import Asked, read_asked, signed_month
from salus.web.services import Services

SUMMARY_PROFILE = "http://hl7.eu/fhir/eps/StructureDefinition/bundle-eu-eps"
FORMATS = ("table", "json", "prometheus", "fhir")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--first", metavar="DAY", help="first day (UTC), such as 2026-10-01; else 90 days ago"
    )
    parser.add_argument("--last", metavar="DAY", help="last day; else today")
    parser.add_argument("--by", default="", metavar="NAMES", help=f"one or more of {', '.join(GROUPINGS)}")
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="fhir: Measures and MeasureReports"
    )
    parser.add_argument(
        "--survey", type=int, metavar="N", help="check the summaries of N citizens drawn at random first"
    )
    parser.add_argument("--export", metavar="MONTH", help="what the federation is told of a month, signed")


def _run(options: argparse.Namespace) -> int:
    return asyncio.run(_metrics(options))


async def _metrics(options: argparse.Namespace) -> int:
    async with open_services(options.data) as (_, services):
        if options.survey:
            return await _survey(services, options.survey)
        if options.export:
            say(await signed_month(services, options.export))
            return 0
        given = {"first": options.first, "last": options.last, "by": options.by or None}
        asked = read_asked(
            {name: text for name, text in given.items() if text is not None}, services.clock().date()
        )
        if options.format == "prometheus":
            say(exposition(await read_tallies(services.database, date.min, asked.last)).rstrip("\n"))
            return 0
        counted = await read_tallies(services.database, asked.first, asked.last)
    results, faults = work_out(counted, asked.by), rank_faults(counted)
    if options.format == "fhir":
        say_json(write_json(_as_fhir(services, asked, results)))
    elif options.format == "json":
        say_json(msgspec.json.encode({"indicators": results, "faults": faults}))
    else:
        _say_table(asked, results, faults)
    return 0


async def _survey(services: Services, count_max: int) -> int:
    """Compose and check the summaries of some citizens; each look is written down for them."""
    caller = operator_of(services)
    asked = AccessRequest(Action.SEARCH, "Patient", "Patient?survey of summaries")
    async with enter(services.gatehouse, caller, asked) as access:
        drawn = await sample_patients(access.grant, services.database, count_max)
    conformant = 0
    for patient in drawn:
        summary = await composed(services, caller, patient, services.languages)
        issues = check_resource(summary, shipped_book(), (SUMMARY_PROFILE,))
        conformant += not any(one.severity == "error" for one in issues)
    counts = {"conformant": conformant, "not-conformant": len(drawn) - conformant}
    for outcome, count in counts.items():
        today = services.clock().date()
        await set_level(services.database, today, category="patient-summary", outcome=outcome, count=count)
    say(f"{conformant} of {len(drawn)} summaries follow the European profile.")
    return 0


def _as_fhir(services: Services, asked: Asked, results: list[Result]) -> dict[str, object]:
    return measure_bundle(
        results,
        asked.by,
        base=services.fhir_base,
        reporter=services.name,
        first=asked.first,
        last=asked.last,
        now=services.clock(),
    )


def _say_table(asked: Asked, results: list[Result], faults: list[Fault]) -> None:
    say(f"From {asked.first} to {asked.last} (UTC)")
    for name, indicator in indicators().items():
        mine = [each for each in results if each.indicator == name]
        say(f"{indicator.title}:" + ("" if mine else " nothing counted yet"))
        for each in mine:
            group = ", ".join(text or "(unknown)" for text in each.group) or "all"
            share = "-" if each.share is None else f"{each.share:.1%}"
            say(f"  {share:>6}  {each.numerator} of {each.denominator}  {group}")
    if faults:
        say("What is wrong most often:")
    for fault in faults:
        say(f"  {fault.count:>6}  {fault.code}  {fault.vendor or '(unknown vendor)'}  {fault.category}")


COMMAND = Command("metrics", "Say who conforms: indicators of interoperability over time.", _arguments, _run)
