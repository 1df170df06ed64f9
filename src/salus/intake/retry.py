"""Trying again what is in quarantine: after its target was loaded, a rule was mended, or it was corrected."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

from salus.core.access import Grant
from salus.core.errors import InvalidResource
from salus.core.identifiers import derived_id
from salus.intake.correction import as_received, corrected_outcome, is_corrected, is_xml, refuse_other
from salus.intake.files import SourceFile
from salus.intake.formats import table
from salus.intake.formats.format import Unit
from salus.intake.formats.registry import translating
from salus.intake.identity import urn_links
from salus.intake.load import Plan
from salus.intake.prepare import Prepared, prepare
from salus.intake.report import Report
from salus.intake.setting import Setting
from salus.intake.writer import Part, Writer
from salus.standards.fhir import model
from salus.store import quarantine
from salus.store.postgres import Connection, Database
from salus.store.quarantine import Kept, Rejection

_ROUNDS_MAX = 3
"""Once without and twice with what conditions select, as a load does."""

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
            So is one whose correction was stored.
    """
    async with _attempt(grant, database, plan, kept) as attempt:
        for number, one in enumerate(kept):
            rejection = one.rejection
            if not rejection.content or is_corrected(rejection):
                continue
            part = await attempt.prepared(number, rejection.content)
            await attempt.store(part)
            prepared = part.prepared
            still = not prepared.resources or any(again.id == one.id for again in prepared.rejections)
            if not still and not prepared.conditions:
                async with attempt.connection.transaction():
                    await quarantine.clear(grant, attempt.connection, rejection.source, [one.id])
        return attempt.writer.report


async def correct(
    grant: Grant, database: Database, plan: Plan, one: Kept, correction: bytes, *, other: bool = False
) -> Report:
    """Store corrected content for a rejection; what was received stays beside it until it expires.

    Args:
        grant: for `Action.LOAD`.
        database: the node's.
        plan: as for a load.
        one: the rejection with its content.
        correction: the bytes to store in its place, all of them or none.
        other: the correction may be another resource than the one that was refused.

    Raises:
        Conflict: it is another resource; nothing was changed.
        InvalidResource, MalformedContent: the correction is refused; nothing was changed.
    """
    rejection = one.rejection
    if not other:
        refuse_other(rejection, correction)
    content = as_received(rejection.content, correction)
    async with _attempt(grant, database, plan, [one]) as attempt:
        part = await attempt.prepared(0, content)
        prepared = part.prepared
        if prepared.rejections or prepared.conditions or not prepared.resources:
            raise InvalidResource(
                "The correction is refused; what was received stays in quarantine as it was. "
                f"{_reason(prepared)}"
            )
        await attempt.store(part)
        names = [f"{row.type}/{row.id}" for row in prepared.encoded]
        async with attempt.connection.transaction():
            is_kept = attempt.writer.report.kept > 0
            outcome = corrected_outcome(rejection.outcome, names, is_kept=is_kept)
            await quarantine.note(grant, attempt.connection, rejection.source, one.id, outcome)
        return attempt.writer.report


class _Attempt(NamedTuple):
    """What it takes to store rejections again; `settings` are the writer's, which they share."""

    kept: Sequence[Kept]
    plan: Plan
    settings: list[Setting]
    writer: Writer
    connection: Connection

    async def prepared(self, number: int, content: bytes) -> Part:
        """Return this content of rejection `number` prepared, its conditions looked up."""
        rejection = self.kept[number].rejection
        links: dict[str, str | None] = {**await _links(self.connection, rejection.source, content)}
        unit = _unit(content, rejection, is_row=self.plan.mapping is not None)
        for _ in range(_ROUNDS_MAX):
            self.settings[number] = msgspec.structs.replace(self.settings[number], links=links)
            prepared = prepare(unit, self.settings[number])
            if not prepared.conditions:
                break
            links |= {one: await self.plan.lookup(self.connection, one) for one in prepared.conditions}
        return Part(number, unit, prepared)

    async def store(self, part: Part) -> None:
        """Write what was prepared, or why it is refused again."""
        await self.writer.write([part])
        await self.writer.finish()


@asynccontextmanager
async def _attempt(
    grant: Grant, database: Database, plan: Plan, kept: Sequence[Kept]
) -> AsyncIterator[_Attempt]:
    files = [SourceFile(one.rejection.file, one.rejection.source, "", 0) for one in kept]
    async with database.system() as asking:
        await database.parameters.refresh(asking)
    added = database.parameters.added
    settings = [
        Setting(
            file.source,
            file.path,
            plan.key,
            grant.opened_at,
            plan.limits,
            plan.lenient,
            added=added,
            arrived_at=None if is_corrected(one.rejection) else one.arrived_at,
            sealing=database.contents.for_workers(),
            mapping=plan.mapping,
        )
        for file, one in zip(files, kept, strict=True)
    ]
    async with (
        Writer(
            grant,
            database,
            files,
            settings,
            plan.lookup,
            default_denies=plan.default_denies,
            settle=plan.settle,
        ) as writer,
        database.loading(grant) as connection,
    ):
        yield _Attempt(kept, plan, settings, writer, connection)


def _reason(prepared: Prepared) -> str:
    """Return why a correction is refused, for people."""
    if not prepared.rejections:
        return "There is no resource in it."
    first = msgspec.json.decode(prepared.rejections[0].outcome)["issue"][0]
    where = next(iter(first.get("expression", ())), "")
    return f"{where}: {first['diagnostics']}" if where else str(first["diagnostics"])


def _unit(content: bytes, rejection: Rejection, *, is_row: bool) -> Unit:
    """Return the content as the unit it was; an entry that its Bundle's rules refused obeys them still."""
    line, entry = rejection.line, rejection.entry
    other = translating(content)
    media = other.media if other is not None else "xml" if is_xml(content) else "json"
    if is_row and other is None:
        media = table.MEDIA
    is_entry = entry >= 0 and not _has_type(content)
    group = "transaction" if is_entry and rejection.type == "Bundle" else ""
    return Unit(0, line, content, entry, is_entry=is_entry, media=media, group=group)


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
    for urn in set(urn_links(content)):
        for name in model.resource_types():
            wanted[name, derived_id(source, urn)] = urn
            if urn.startswith("urn:uuid:"):
                wanted[name, derived_id(source, f"{name}/{urn[9:]}")] = urn
    if not wanted:
        return {}
    rows = await connection.fetch(_FIND, [name for name, _ in wanted], [own_id for _, own_id in wanted])
    return {wanted[row["type"], row["id"]]: f"{row['type']}/{row['id']}" for row in rows}
