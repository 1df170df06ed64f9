"""Which document is current, in whatever order its versions arrive.

A document succeeds another that its relatesTo replaces, or that shares its Composition.identifier, which
"stays constant as the composition is changed over time" (http://hl7.org/fhir/R4/composition-definitions.html),
and is older: by Composition.date, then Bundle.timestamp, then status (preliminary, final, amended,
entered-in-error). Of two that are equal in all of these neither succeeds. Across sources only a replacement
that arrives later counts: nobody else's word stands ready against a document that its source has yet to send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from salus.core.access import Grant
from salus.core.errors import AccessRefused
from salus.core.limits import Limits
from salus.intake.description import replaced_by
from salus.intake.keeping import Received
from salus.intake.linking import Known, known_entries
from salus.intake.prepare import FHIR_JSON, FHIR_XML
from salus.intake.publication import published_before
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.search.extract import Indexer, compile_indexer
from salus.standards.fhir.search.values import date_interval
from salus.store import documents, resources
from salus.store.asker import asker_of
from salus.store.changes import Operation
from salus.store.documents import Document
from salus.store.parameters_known import registry_of
from salus.store.postgres import Connection
from salus.store.record_seal import record_seal_of
from salus.store.rows import Row, make_row
from salus.store.search_check import resource_of

STAY = frozenset(
    {"Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Device"}
)
"""Types that are not said by a document but only named in it."""

DESCRIBED = """
SELECT type, id, content, source, source_id, updated,
    NOT hidden OR salus_shows(type, id, $2::jsonb) AS shown
FROM resource
WHERE compartment = $1 AND type = 'DocumentReference' AND NOT deleted
"""
_DELETED = "SELECT EXISTS (SELECT FROM resource WHERE type = 'DocumentReference' AND id = $1 AND deleted)"
_EDITED = """
SELECT type || '/' || id FROM resource
WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND NOT received
"""
EARLIEST = (float("-inf"), float("-inf"), 0)
_RANKS = {"preliminary": 0, "final": 1, "amended": 2, "entered-in-error": 3}


class Standing(msgspec.Struct, frozen=True):
    """A document as others are compared with it.

    Args:
        reference: id of its DocumentReference.
        source: the system it came from.
        described: its DocumentReference.
        is_fhir: a FHIR document; only of these the identifier is that of all versions.
        extracted: "Type/id" of what was made from it.
    """

    reference: str
    source: str
    described: dict[str, Any]  # Any: FHIR JSON
    is_fhir: bool
    extracted: tuple[str, ...]

    @property
    def status(self) -> str:
        """Return "current", "superseded" or "entered-in-error"."""
        return str(self.described.get("status", ""))


class Arrival(msgspec.Struct, frozen=True):
    """What a received document meets.

    Args:
        kept: the same document, received before; then nothing is to be done.
        outdated: a document that succeeds it is here: nothing of what it says is shown.
        changes: what makes those that it succeeds, and what only they say, no longer current.
        replaced: ids of their DocumentReferences.
        known: which of its entries its source sent before under another name.
    """

    kept: Document | None = None
    outdated: bool = False
    changes: tuple[Operation, ...] = ()
    replaced: tuple[str, ...] = ()
    known: Known = Known()


async def arrive(
    grant: Grant,
    connection: Connection,
    received: Received,
    *,
    is_published: bool = False,
    elsewhere: Mapping[str, Any] | None = None,  # Any: asyncpg records
) -> Arrival:
    """Return what a document meets; until the transaction ends no other of its patient arrives.

    A document deleted here stays deleted when its source sends it again in a file. Publishing
    (`is_published`) is an act of its author, who may publish anew what was deleted. `elsewhere` are rows,
    by id, of DocumentReferences outside its patient's record that it may replace (`intake.replacement`).

    Raises:
        AccessRefused: a grant for one patient replaces a document of another source.
        Conflict: what is published contradicts what its source published before.
    """
    patient = received.document.patient
    await connection.execute(resources.LOCK, [f"documents of {patient}"])
    kept = await documents.of_patient(grant, connection, patient)
    same = [one for one in kept if one.id == received.document.id]
    if same and not is_published:
        return Arrival(kept=same[0])
    rows = {row["id"]: row for row in await connection.fetch(DESCRIBED, patient, asker_of(grant))}
    if is_published:
        shown = {name: row for name, row in rows.items() if row["shown"]}
        document = received.document
        document = msgspec.structs.replace(
            document, digest=record_seal_of(connection).digest(document.digest)
        )
        again = _published_before(kept, shown, msgspec.structs.replace(received, document=document))
        if again is None and same and not await connection.fetchval(_DELETED, same[0].reference):
            again = same[0]  # the citizen hides it (EHDS 8)
        if again is not None:
            return Arrival(kept=again)
    if elsewhere:
        rows |= elsewhere
        kept += (await documents.described_by(grant, connection, list(elsewhere))).values()
    others = standings([one for one in kept if one not in same], rows)
    own = _standing_of(received)
    outdated = any(one.source == own.source and succeeds(one, own, arrived=True) for one in others)
    replaced = [one for one in others if one.status == "current" and succeeds(own, one)]
    for one in replaced:
        if grant.patients is not None and one.source != own.source:
            raise AccessRefused(
                f"DocumentReference/{one.reference} came from elsewhere: only its source may replace it."
            )
    index = compile_indexer("DocumentReference", received.key, registry_of(received.added.rows))
    changes = [superseded(rows[one.reference], one, index) for one in replaced]
    still = [one for one in others if one.status == "current" and one not in replaced]
    said = () if outdated else own.extracted
    gone = only_said_by(replaced, {*said, *(name for one in still for name in one.extracted)})
    changes += await retractions(connection, gone, spares_edited=own.status != "entered-in-error")
    known = Known()
    if received.own > 1 and not outdated:  # something is made of it
        known = await known_entries(
            connection,
            received.document,
            moment=moment_of(received.described),
            said_at=_said_at(still, received.document.source),
            skip=[f"{one.type}/{one.id}" for one in changes if one.kind == "delete"],
        )
    return Arrival(None, outdated, tuple(changes), tuple(one.reference for one in replaced), known)


async def known_beside(grant: Grant, connection: Connection, received: Received) -> Known:
    """Return which entries of a document that is kept here already its source sent under another name."""
    document = received.document
    kept = await documents.of_patient(grant, connection, document.patient)
    rows = {row["id"]: row for row in await connection.fetch(DESCRIBED, document.patient, asker_of(grant))}
    others = standings([one for one in kept if one.id != document.id], rows)
    return await known_entries(
        connection,
        document,
        moment=moment_of(received.described),
        said_at=_said_at([one for one in others if one.status == "current"], document.source),
        skip=(),
    )


def _said_at(standing: Sequence[Standing], source: str) -> dict[str, tuple[float, float, int]]:
    """Return, by "Type/id", when the latest of a source's current documents was written that says it."""
    found: dict[str, tuple[float, float, int]] = {}
    for one in standing:
        if one.source == source:
            for name in one.extracted:
                found[name] = max(moment_of(one.described), found.get(name, EARLIEST))
    return found


async def retractions(
    connection: Connection, names: Sequence[str], *, spares_edited: bool
) -> list[Operation]:
    """Return the deletions of what documents said ("Type/id"); what was edited here may be spared."""
    pairs = [(kind, own_id) for kind, _, own_id in (name.partition("/") for name in names)]
    if pairs and spares_edited:
        edited = {row[0] for row in await connection.fetch(_EDITED, *map(list, zip(*pairs, strict=True)))}
        pairs = [pair for pair in pairs if "/".join(pair) not in edited]
    return [Operation("delete", kind, own_id, received=True) for kind, own_id in pairs]


def _published_before(
    kept: Sequence[Document],
    shown: dict[str, Any],  # Any: records
    received: Received,
) -> Document | None:
    """Return which document of its source, of those that are shown, this publication repeats."""
    known = [one for one in kept if one.source == received.document.source and one.reference in shown]
    earlier = [(one, parse_json(shown[one.reference]["content"], Limits())) for one in known]
    return published_before(earlier, received.document, received.described)


def outdated_row(received: Received) -> Row:
    """Return the DocumentReference of a document whose successor is here already."""
    document = received.document
    described = received.described
    if described.get("status") == "current":
        described = {**described, "status": "superseded"}
    index = compile_indexer("DocumentReference", received.key, registry_of(received.added.rows))
    return make_row(
        "DocumentReference", document.reference, write_json(described),
        index=index({**described, "meta": {"source": document.source}}), source=document.source,
    )  # fmt: skip


def standings(kept: Sequence[Document], rows: dict[str, Any]) -> list[Standing]:  # Any: records
    """Return the patient's documents, those of which only a DocumentReference is here too."""
    documents_by = {one.reference: one for one in kept}
    found = []
    for own_id, row in rows.items():
        one = documents_by.get(own_id)
        media_type, extracted = ("", ()) if one is None else (one.media_type, one.extracted)
        described = parse_json(row["content"], Limits())
        found.append(Standing(own_id, row["source"], described, _is_fhir(media_type), extracted))
    return found


def _is_fhir(media_type: str) -> bool:
    return media_type.partition(";")[0].strip().lower() in (FHIR_JSON, FHIR_XML)


def _standing_of(received: Received) -> Standing:
    one = received.document
    return Standing(one.reference, one.source, received.described, _is_fhir(one.media_type), one.extracted)


def superseded(row: Any, one: Standing, index: Indexer) -> Operation:  # Any: an asyncpg record
    """Return what makes the DocumentReference of a row, which stands so, superseded."""
    content = write_json({**one.described, "status": "superseded"})
    read = resource_of({**dict(row), "content": content})
    changed = make_row(
        "DocumentReference", row["id"], content,
        index=index(read), source=row["source"], source_id=row["source_id"],
    )  # fmt: skip
    return Operation("update", changed.type, changed.id, changed, received=True)


def succeeds(later: Standing, earlier: Standing, *, arrived: bool = False) -> bool:
    """Return whether one succeeds the other; `arrived`: the later one was here first."""
    newer, older = moment_of(later.described), moment_of(earlier.described)
    if _replaces(later, earlier):
        return newer > older or (newer == older and not arrived) or not _replaces(earlier, later)
    if later.source != earlier.source or not (later.is_fhir and earlier.is_fhir):
        return False
    one, other = later.described.get("identifier", ()), earlier.described.get("identifier", ())
    shared = _identifiers(one) & _identifiers(other)
    return bool(shared) and newer > older and not _replaces(earlier, later)


def _replaces(later: Standing, earlier: Standing) -> bool:
    """Return whether one says that it replaces the other; what is itself in error replaces nothing."""
    if later.status == "entered-in-error":
        return False
    return any(_is_target(target, earlier) for target in replaced_by(later.described))


def _identifiers(found: Sequence[Any]) -> set[tuple[str, str]]:  # Any: FHIR JSON
    named = [one for one in found if isinstance(one, dict)]
    return {(one["system"], one["value"]) for one in named if one.get("system") and one.get("value")}


def moment_of(described: dict[str, Any]) -> tuple[float, float, int]:  # Any: FHIR JSON
    """Return what orders the versions of a document."""
    content = described.get("content") or [{}]
    creation = content[0].get("attachment", {}).get("creation")
    state = described.get("status")
    rank = state if state == "entered-in-error" else described.get("docStatus")
    return _start(creation), _start(described.get("date")), _RANKS.get(str(rank), 1)


def _start(text: object) -> float:
    interval = date_interval(text) if isinstance(text, str) else None
    return float("-inf") if interval is None else interval[0]


def _is_target(target: dict[str, Any], one: Standing) -> bool:  # Any: FHIR JSON
    link = str(target.get("reference", "")).partition("/_history/")[0]
    if link == f"DocumentReference/{one.reference}" or link in one.extracted:
        return True
    wanted = target.get("identifier")
    if not isinstance(wanted, dict) or "value" not in wanted:
        return False
    own = [one.described.get("masterIdentifier"), *one.described.get("identifier", ())]
    key = (wanted.get("system"), wanted["value"])
    return any(isinstance(each, dict) and (each.get("system"), each.get("value")) == key for each in own)


def only_said_by(replaced: Sequence[Standing], said: set[str]) -> list[str]:
    """Return what was extracted from these documents and is said by no current one."""
    names = {name for one in replaced for name in one.extracted} - said
    return [name for name in sorted(names) if name.partition("/")[0] not in STAY]
