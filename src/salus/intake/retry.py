"""Trying again what is in quarantine: after its target was loaded, a rule was mended, or it was corrected."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from salus.core.access import Grant
from salus.core.identifiers import derived_id
from salus.intake.files import SourceFile
from salus.intake.formats.format import Unit
from salus.intake.load import Plan
from salus.intake.prepare import Setting, prepare
from salus.intake.report import Report
from salus.intake.writer import Part, Writer
from salus.standards.fhir import model
from salus.store import quarantine
from salus.store.postgres import Connection, Database
from salus.store.quarantine import Kept

_URN = re.compile(rb'"reference"[ \t\r\n]*:[ \t\r\n]*"(urn:[^"\\]+)"')
_FIND = """
SELECT type, id FROM resource WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""


async def retry(grant: Grant, database: Database, plan: Plan, kept: Sequence[Kept]) -> Report:
    """Prepare and store the rejections again; what is stored leaves quarantine.

    Args:
        grant: for `Action.LOAD`.
        database: the node's.
        plan: as for a load; lenient stores the sound entries of a Bundle and keeps the others.
        kept: with their contents; one without (a Bundle too large to keep) is passed over: load its file.
    """
    files = [SourceFile(one.rejection.file, one.rejection.source, "", 0) for one in kept]
    async with database.system() as asking:
        await database.parameters.refresh(asking)
    added = database.parameters.added
    settings = [
        Setting(file.source, file.path, plan.key, grant.opened_at, plan.limits, plan.lenient, added=added)
        for file in files
    ]
    async with (
        Writer(grant, database, files, settings, plan.lookup) as writer,
        database.loading(grant) as connection,
    ):
        for number, one in enumerate(kept):
            rejection = one.rejection
            if not rejection.content:
                continue
            links = await _links(connection, rejection.source, rejection.content)
            setting = msgspec.structs.replace(settings[number], links=links)
            unit = _unit(rejection.content, rejection.line, rejection.entry)
            prepared = prepare(unit, setting)
            await writer.write([Part(number, unit, prepared)])
            await writer.finish()
            same = any(again.id == one.id for again in prepared.rejections)
            if not same:
                async with connection.transaction():
                    await quarantine.clear(grant, connection, rejection.source, [one.id])
        return writer.report


def _unit(content: bytes, line: int, entry: int) -> Unit:
    """Return the content as the unit it was."""
    media = "xml" if content.lstrip().startswith(b"<") else "json"
    is_entry = entry >= 0 and not _has_type(content)
    return Unit(0, line, content, entry, is_entry=is_entry, media=media)


class _Typed(msgspec.Struct):
    resourceType: str = ""


def _has_type(content: bytes) -> bool:
    try:
        return bool(msgspec.json.decode(content, type=_Typed).resourceType)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True


async def _links(connection: Connection, source: str, content: bytes) -> dict[str, str]:
    """Return what the urn references of an entry lead to, among what the rest of its Bundle became."""
    wanted: dict[tuple[str, str], str] = {}
    for urn in {found.decode("utf-8", "replace") for found in _URN.findall(content)}:
        for name in model.resource_types():
            wanted[name, derived_id(source, urn)] = urn
            if urn.startswith("urn:uuid:"):
                wanted[name, derived_id(source, f"{name}/{urn[9:]}")] = urn
    if not wanted:
        return {}
    rows = await connection.fetch(_FIND, [name for name, _ in wanted], [own_id for _, own_id in wanted])
    return {wanted[row["type"], row["id"]]: f"{row['type']}/{row['id']}" for row in rows}
