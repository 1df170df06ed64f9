"""`salus compose KIND PATIENT`: the European documents of a record, composed now."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say, say_json
from salus.core.access import Action
from salus.core.errors import NotFound
from salus.node import open_services
from salus.primary.documents.offers import name_of
from salus.primary.documents.registry import kinds
from salus.standards.fhir.codec.json import write_json
from salus.store.merged import merges
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.composing import documents_of


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "kind", metavar="KIND", choices=[*kinds(), "all"], help=f"{', '.join(kinds())}, or all"
    )
    parser.add_argument("patient", metavar="PATIENT", help="id of the Patient")
    parser.add_argument("--about", default="", metavar="ID", help="only the document about this resource")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write a file for each, not a line on standard output",
    )


def _run(options: argparse.Namespace) -> int:
    return asyncio.run(_compose(options))


async def _compose(options: argparse.Namespace) -> int:
    names = set(kinds()) if options.kind == "all" else {options.kind}
    count = 0
    async with open_services(options.data) as (_, services):
        known = await merges(services.database, services.clock())
        stays = known.survivor(options.patient)
        records = [stays, *sorted(known.beside([stays]))]
        asked = AccessRequest(Action.READ, "", f"compose {options.kind}", frozenset(records))
        async with enter(services.gatehouse, operator_of(services), asked) as access:
            found = documents_of(services, access, records, names=names, languages=services.languages)
            async for kind, about, bundle in found:
                if options.about and about["id"] != options.about:
                    continue
                await access.settle()
                count += 1
                if options.out is None:
                    say_json(write_json(bundle))
                    continue
                options.out.mkdir(parents=True, exist_ok=True)
                path = options.out / f"{name_of(kind, about)}.json"
                path.write_bytes(write_json(bundle))
                say(str(path))
    if not count:
        raise NotFound("The record gives no such document; docs/documents.md says what each kind is about.")
    return 0


COMMAND = Command("compose", "Compose the European documents of a record.", _arguments, _run)
