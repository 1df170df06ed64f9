"""An entry of a document that its source sent before, in another document or file, is linked and not doubled.

Known is what bears the same identifier (system and value), is of the same type, record and source, and alone
on both sides: an identifier is unique in its system by intention only (docs/decisions/0009). Patients, and
what a document only names, are never linked so. Whose word is the later, the dates of the documents say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from salus.core.errors import SalusError
from salus.core.identifiers import derived_id
from salus.core.limits import Limits
from salus.intake.identity import original_name
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.xml import parse_xml
from salus.store.documents import Document
from salus.store.postgres import Connection
from salus.store.shares import beside

LOOKED_AT_MAX = 2_000
"""Resources of one source, record and type list that are compared; of more nothing is linked."""
_SAME_SOURCE = """
SELECT type, id, content FROM resource
WHERE compartment = $1 AND type = ANY($2) AND source = $3 AND NOT deleted LIMIT $4
"""
_ANY = "SELECT EXISTS (SELECT FROM resource WHERE compartment = $1 AND source = $2 AND type <> 'Patient')"
Named = tuple[str, str, str]
"""Type, system and value."""
NOT_LINKED = frozenset({"Composition", "Patient", "Provenance", "DocumentReference", "Bundle"})
"""Composition: its identifier is that of the document, whose versions follow each other by themselves."""


class Known(msgspec.Struct, frozen=True):
    """Which entries of a document are here already.

    Args:
        same: by what the source calls an entry, "Type/id" here.
        stays: of these, what is not written: the record's word is as late, or came by another way.
        said: "Type/id" of those that stay and that documents say: this one says them too.
    """

    same: Mapping[str, str] = {}
    stays: frozenset[str] = frozenset()
    said: tuple[str, ...] = ()


async def known_entries(
    connection: Connection,
    document: Document,
    *,
    moment: object,
    said_at: Mapping[str, Any],
    skip: Iterable[str],
) -> Known:  # Any: what orders versions, as `moment` is
    """Return which entries of an arriving document its source has sent before under another name.

    Args:
        connection: in the transaction that stores it.
        document: with its content.
        moment: when it was written, in the order of `succession`.
        said_at: by "Type/id" here, when the latest current document of its source was written that says it.
        skip: "Type/id" of what goes with this document's arrival.
    """
    if not await connection.fetchval(_ANY, document.patient, document.source):
        return Known()
    entries = await beside(len(document.content), _entries, document)
    if not entries:
        return Known()
    kinds = sorted({name[0] for names in entries.values() for name in names})
    rows = await connection.fetch(_SAME_SOURCE, document.patient, kinds, document.source, LOOKED_AT_MAX + 1)
    if not rows or len(rows) > LOOKED_AT_MAX:
        return Known()
    gone, here = set(skip), defaultdict(set)
    for row in rows:
        key = f"{row['type']}/{row['id']}"
        if key not in gone:
            for name in _names(parse_json(row["content"], Limits(depth_max=200)), row["type"]):
                here[name].add(key)
    arriving: dict[Named, set[str]] = defaultdict(set)
    for original, names in entries.items():
        for name in names:
            arriving[name].add(original)
    same: dict[str, str] = {}
    for original, names in entries.items():
        found = {key for name in names if len(arriving[name]) == 1 for key in here.get(name, ())}
        own = {f"{name[0]}/{derived_id(document.source, original)}" for name in names}
        if len(found) == 1 and not found & own:
            same[original] = found.pop()
    stays, said = set(), set()
    for original, key in same.items():
        told = said_at.get(key)
        if told is None or not told < moment:
            stays.add(original)
            said |= {key} if told is not None else set()
    return Known(same, frozenset(stays), tuple(sorted(said)))


def _entries(document: Document) -> dict[str, frozenset[Named]]:
    """Return the identifiers of a document's entries that have any, by what the source calls them."""
    limits = Limits(depth_max=200, body_bytes_max=max(len(document.content), 1))
    is_xml = document.media_type.partition(";")[0].strip().lower().endswith("xml")
    try:
        bundle = (parse_xml if is_xml else parse_json)(document.content, limits)
    except SalusError:
        return {}
    found: dict[str, frozenset[Named]] = {}
    for entry in bundle.get("entry", ()) if isinstance(bundle, dict) else ():
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            continue
        kind = str(resource.get("resourceType"))
        names = _names(resource, kind)
        if names and kind not in NOT_LINKED:
            original = original_name(document.source, str(entry.get("fullUrl", "")), kind, resource.get("id"))
            found[original] = names
    return found


def _names(resource: Mapping[str, Any], kind: str) -> frozenset[Named]:  # Any: FHIR JSON
    listed = resource.get("identifier", ())
    every: Sequence[Any] = listed if isinstance(listed, list) else [listed]
    return frozenset(
        (kind, str(each["system"]), str(each["value"]))
        for each in every
        if isinstance(each, dict) and each.get("system") and each.get("value")
    )
