"""`salus load PATH...`: files into the node, validated, indexed and audited."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json
from salus.core.access import Action
from salus.core.plain import plain
from salus.intake.conditions import lookup_in
from salus.intake.files import SourceFile, find_files, skipped_files
from salus.intake.formats import table
from salus.intake.load import Plan, Told, load_files
from salus.intake.report import Report
from salus.node import open_services
from salus.standards.tabular.mapping import TableMapping
from salus.store.postgres import LOADING
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.writing import settling

STORED, REJECTED = 0, 2
"""Exit codes: everything is stored; something is in quarantine. 1: the load could not run."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="NDJSON, FHIR JSON, FHIR XML or CDA files (also .gz), folders of them, or - for standard input",
    )
    parser.add_argument(
        "--source",
        metavar="URI",
        help="the system the files come from: its ids are kept apart from all others "
        "(default: made from each file's folder; name it, so that moved files stay the same source)",
    )
    parser.add_argument(
        "--lenient", action="store_true", help="store the valid entries of transactions and documents too"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="let the files win over what was edited or deleted here since (default: it stays, and what the "
        "source newly says of it is reported as kept)",
    )
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="processes that parse (default: one per core)"
    )
    parser.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE",
        help="the files are tables (CSV, TSV); this TOML file says which column is which element",
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")


def _run(options: argparse.Namespace) -> int:
    mapping = None if options.mapping is None else table.mapping_in(options.mapping)
    suffixes = None if mapping is None else table.SUFFIXES
    files = find_files(options.paths, options.source, suffixes=suffixes)
    report = asyncio.run(_load(options.data, files, mapping, options))
    report.add_skipped(skipped_files(options.paths, suffixes=suffixes))
    if options.json:
        say_json(msgspec.json.encode(report))
    else:
        say(*_sentence(report).split("\n"))
    return REJECTED if report.rejected else STORED


async def _load(
    data: Path, files: list[SourceFile], mapping: TableMapping | None, options: argparse.Namespace
) -> Report:
    async with open_services(data, roles=LOADING) as (_, services):
        request = AccessRequest(Action.LOAD, "", f"load of {len(files)} files")
        async with enter(services.gatehouse, operator_of(services), request) as access:
            key, limits = services.keys.search, services.limits
            lookup = lookup_in(access.grant, services.database, key, limits)
            plan = Plan(
                key,
                limits,
                lookup,
                options.lenient,
                options.workers,
                overwrite=options.overwrite,
                default_denies=services.gatehouse.law.default_denies,
                settle=settling(services, access.grant),
                mapping=mapping,
                systems=services.systems,
            )
            with _progress(files, wanted=not options.json) as told:
                return await load_files(access.grant, services.database, files, plan, told=told)


@contextmanager
def _progress(files: list[SourceFile], *, wanted: bool) -> Iterator[Told]:
    """Show a bar with rate and remaining time on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    if not (wanted and console.is_terminal):
        yield lambda _read_bytes, _report: None
        return
    total = sum(file.size_bytes for file in files) or None
    columns = (
        TextColumn("[bold]Loading"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[read]:,} resources, {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        TextColumn("remaining"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("load", total=total, read=0, rate=0.0)

        def told(read_bytes: int, report: Report) -> None:
            elapsed = bar.tasks[0].elapsed or 0.001
            rate = (report.read - report.resumed) / elapsed
            bar.update(task, completed=read_bytes, read=report.read, rate=rate)

        yield told


def _sentence(report: Report) -> str:
    lines = [
        f"{report.read:,} resources read in {report.seconds:,.1f} s "
        f"({report.resources_per_second:,.0f} a second): {report.stored:,} stored, "
        f"{report.unchanged:,} unchanged, {report.kept:,} kept as edited here, {report.rejected:,} rejected."
    ]
    if report.documents:
        lines.append(
            f"{report.documents:,} documents are new; {report.withdrawn:,} earlier documents and resources "
            "that only they said are no longer current."
        )
    if report.kept:
        lines.append(
            "Other content of the source was passed over for what was edited or deleted here, or is newer by "
            "the source's own clock (--overwrite lets the files win): "
            f"{_listed(report.kept_names, report.kept)}."
        )
    if report.search_parameters:
        lines.append(
            f"{report.search_parameters:,} SearchParameters are stored, but a load lets no search use them: "
            "read each and send it again with PUT (status active) as operator, then see "
            "`salus search-parameters`."
        )
    if report.resumed:
        lines.append(f"Of them {report.resumed:,} were done before by a load that was interrupted.")
    for system, count in sorted(report.doubtful_numbers.items()):
        lines.append(
            f"{count:,} national numbers of the system {plain(system)} break its country's rule; they are "
            "stored as sent, but not used to tell who is the same person."
        )
    if report.checked:
        lines.append(
            f"Of {report.checked:,} documents {report.conformant:,} follow the profile of their category; "
            "what is wrong most often: `salus metrics`, and in each: `salus check FILE`."
        )
    if report.quality is not None:
        quality = report.quality
        lines.append(
            f"Of what files of other standards say, {quality.mapped:,} values were mapped, "
            f"{quality.approximated_count:,} approximated and {quality.dropped_count:,} dropped (each place: "
            "--json, or `salus convert FILE --report`); the files are kept as they came."
        )
    if report.dangling:
        lines.append(
            f"{report.dangling:,} references (urn:uuid: or urn:oid:) lead to nothing in their file and are "
            "stored as sent: what bears them may be in no patient's record. Load the whole Bundle they come "
            "from."
        )
    if report.alike:
        lines.append(
            f"{report.alike:,} pairs of Patients of one source bear one identifier under two names (ids or "
            "fullUrls), and may be one person: see `salus persons list`, and merge or refuse."
        )
    if report.more_pages:
        lines.append(
            f"{report.more_pages:,} Bundles are one page of several, and the next page is not among these "
            "files: what is on it was not loaded. Fetch and load it too: "
            f"{_listed(report.more_pages_names, report.more_pages)}."
        )
    if report.skipped:
        lines.append(
            f"{report.skipped:,} files were skipped, being neither NDJSON, FHIR JSON, FHIR XML nor CDA, or "
            "links that lead out of the folder: "
            f"{_listed(report.skipped_names, report.skipped)}."
        )
    if report.rejected:
        lines.append(
            f"{report.quarantine:,} pieces are in quarantine: see `salus quarantine list`, "
            "`salus quarantine show ID`, and after a correction `salus quarantine retry`."
        )
    return "\n".join(lines)


def _listed(names: list[str], count: int) -> str:
    more = count - len(names)
    return ", ".join(map(plain, names)) + (f" and {more:,} more" if more > 0 else "")


COMMAND = Command("load", "Load FHIR files; exit code 2 when something was rejected.", _arguments, _run)
