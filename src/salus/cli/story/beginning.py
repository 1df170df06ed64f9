"""The beginning of the story: nodes start, join a federation, and load their citizens."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import msgspec

from salus.cli.command import program
from salus.cli.story.account import Seen, expect
from salus.cli.story.chain import show_chain
from salus.cli.story.home import SYNTHETIC, may_be_told_of
from salus.cli.story.processes import run_command, start, try_command
from salus.cli.story.stage import COUNTRIES, Stage, Wishes
from salus.core.clock import utc_now
from salus.federation.membership import read_anchor
from salus.federation.membership_list import read_list
from salus.intake.synth.generator import synthesize

FEDERATION = "Demonstration federation"
ANCHOR = "PT"
PERSONS_MORE = 200


async def start_nodes(stage: Stage, seen: Seen) -> None:
    """Start the three nodes and ask each how it is."""
    started = await asyncio.gather(
        *(start(stage.data(country)) for country in COUNTRIES), return_exceptions=True
    )
    for country, running in zip(COUNTRIES, started, strict=True):
        if isinstance(running, BaseException):
            continue
        stage.nodes[country] = running
        health = await stage.client.get(f"{stage.url(country)}/healthz")
        seen.figures[f"{country} process"] = running.process.pid
        seen.read_again.append(f"curl {stage.url(country)}/healthz")
        expect(health.status_code == 200, f"the node of {country} answers {health.status_code}")
    for running in started:
        if isinstance(running, BaseException):
            raise running


async def join_federation(stage: Stage, seen: Seen) -> None:
    """Make the federation at the anchor, let all join, compare what each knows, and follow a trust chain."""
    await run_command("federation", "init", "--name", FEDERATION, data=stage.data(ANCHOR))
    anchor = stage.data(ANCHOR)
    await asyncio.gather(
        *(run_command("federation", "join", "--anchor", anchor, data=stage.data(each)) for each in COUNTRIES)
    )
    key = read_anchor(anchor) or {}
    known: dict[str, list[str]] = {}
    for country in COUNTRIES:
        answer = await stage.client.get(f"{stage.url(country)}/federation/members")
        expect(answer.status_code == 200, f"the node of {country} answers {answer.status_code}, not the list")
        listed = read_list(answer.text.strip(), key)
        known[country] = [each.node for each in listed.members if each.state(utc_now()) == "active"]
        seen.figures["list version"] = listed.version
        seen.read_again.append(f"{program()} federation list --data {stage.data(country)}")
    seen.figures["members"] = known[ANCHOR]
    nodes = sorted(settings.node for settings in stage.settings.values())
    for country, members in known.items():
        expect(members == nodes, f"{country} knows {', '.join(members) or 'nobody'} as active members")
    await show_chain(stage, seen)


async def load_citizens(stage: Stage, seen: Seen) -> None:
    """Generate citizens and load them, and the files that were asked for, by `salus load`."""
    reports = await asyncio.gather(*(_load(stage, country) for country in COUNTRIES))
    rejected = sum(report["rejected"] for report in reports)
    for country, report in zip(COUNTRIES, reports, strict=True):
        for name in ("read", "stored", "rejected", "resources_per_second"):
            seen.figures[f"{country} {name}"] = report[name]
        seen.read_again.append(f"{program()} status --data {stage.data(country)}")
    generated = enough(stage.wishes, ANCHOR, utc_now().date())
    if generated != stage.wishes.persons:
        seen.figures[f"{ANCHOR} citizens, until one is an adult"] = generated
    expect(not rejected or bool(stage.wishes.load), f"{rejected:.0f} synthetic resources were rejected")
    expect(all(report["stored"] for report in reports), "a node stored nothing")


async def _load(stage: Stage, country: str) -> dict[str, float]:
    """Load a country's synthetic citizens, for the anchor's the given files too; return the report."""
    folder = stage.data(country)
    file = stage.folder / f"{country.lower()}.ndjson"
    wishes = stage.wishes
    persons = enough(wishes, country, utc_now().date())
    await run_command(
        "synth", "--persons", str(persons), "--country", country, "--seed", str(wishes.seed),
        "--out", file, data=folder,
    )  # fmt: skip
    source = f"{SYNTHETIC}{country.lower()}"
    report = await _load_files(folder, [file], "--source", source)
    if country == "PT" and wishes.load:
        more = await _load_files(folder, list(wishes.load))
        report = {name: count + more.get(name, 0) for name, count in report.items()}
        report["resources_per_second"] = round(report["read"] / report["seconds"], 1)
    return report


def enough(wishes: Wishes, country: str, today: date) -> int:
    """Return how many citizens to generate: as many as wished, and at home until one may be told of."""
    if country != ANCHOR:
        return wishes.persons
    count = 0
    for resource in synthesize(wishes.persons + PERSONS_MORE, country, wishes.seed, today):
        if resource["resourceType"] == "Patient":
            count += 1
            if may_be_told_of(resource, today):
                break
    return max(wishes.persons, count)


async def _load_files(folder: Path, files: list[Path], *options: str) -> dict[str, float]:
    """Return the report of `salus load`; rejected resources are in it, a failed load fails the step."""
    code, output, errors = await try_command("load", "--json", *options, *files, data=folder)
    try:
        report = msgspec.json.decode(output, type=dict[str, object])
    except msgspec.DecodeError:
        report = {}
    expect("stored" in report, f"salus load ended with {code}: {(errors or output).strip()[-300:]}")
    return {name: count for name, count in report.items() if isinstance(count, int | float)}
