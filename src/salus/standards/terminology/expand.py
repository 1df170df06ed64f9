"""ValueSet/$expand (R4 valueset-operation-expand.html, with the rules of the HL7 terminology ecosystem)."""

from __future__ import annotations

from collections.abc import Sequence

from salus.standards.terminology.asked import Asked
from salus.standards.terminology.codesystem import ValueSet
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.contains import Shower
from salus.standards.terminology.entries import Entry, Notes
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import TerminologyRefused, issue
from salus.standards.terminology.languages import shown
from salus.standards.terminology.question import supplements_of
from salus.standards.terminology.selecting import Selected
from salus.standards.terminology.standing import standing_of
from salus.standards.terminology.versions import split

CODES_MAX = 1_000
"""Most codes that are given without paging."""
PAGED_MAX = 100_000
"""How far into a value set a page may lie."""
COUNTED_MAX = 5_000
"""Up to how many codes the total is counted where only a page is asked for."""
_DROPPED = (
    "id",
    "meta",
    "text",
    "contained",
    "compose",
    "purpose",
    "description",
    "contact",
    "copyright",
    "publisher",
    "extension",
    "useContext",
    "jurisdiction",
)
_FLAGS = (
    "excludeNested",
    "versionsMatch",
    "activeOnly",
    "includeDesignations",
    "includeDefinition",
    "excludeNotForUI",
    "excludePostCoordinated",
)
_UNCLOSED = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed"


def expand(
    inquiry: Inquiry, value_set: ValueSet, *, identifier: str, timestamp: str, codes_max: int = CODES_MAX
) -> Json:
    """Return a value set with its expansion.

    Args:
        inquiry: the request.
        value_set: what to expand.
        identifier: a urn:uuid of its own.
        timestamp: when, as an instant.
        codes_max: most codes without paging.

    Raises:
        TerminologyRefused: it cannot be expanded; `http_status` and `finding` say why.
        TooCostly: it takes too long.
    """
    asked = inquiry.asked
    result = _shell(value_set, asked)
    if "expansion" in result:
        return result
    inquiry.need(supplements_of(value_set))
    notes = Notes()
    asked.see(value_set.resource)
    _echo(asked, notes)
    notes.say_standing(standing_of(value_set.resource), standing_of(value_set.resource))
    offset, count = asked.number("offset"), asked.number("count")
    limit = min(asked.number("limit") or codes_max, codes_max)
    is_paged = count is not None
    enough = (
        max((offset or 0) + count, COUNTED_MAX if count else PAGED_MAX) if count is not None else limit + 1
    )
    if is_paged and (offset or 0) + (count or 0) > PAGED_MAX:
        raise _too_costly(value_set, PAGED_MAX)
    selected = Selected(value_set, inquiry, notes, enough=enough)
    inquiry.refuse_missing_supplements()
    if not is_paged and len(selected.entries) > limit:
        raise _too_costly(value_set, limit)
    expansion: Json = {"identifier": identifier, "timestamp": timestamp}
    if not selected.is_partial:
        expansion["total"] = len(selected.entries)
    if offset is not None:
        expansion["offset"] = offset
    _fill(expansion, selected, inquiry, notes, offset or 0, count)
    result["expansion"] = expansion
    return result


def _too_costly(value_set: ValueSet, limit: int) -> TerminologyRefused:
    return TerminologyRefused(
        issue(
            "error",
            "too-costly",
            "too-costly",
            "",
            "VALUESET_TOO_COSTLY",
            value_set=value_set.canonical,
            limit=limit,
        )
    )


def _shell(value_set: ValueSet, asked: Asked) -> Json:
    """Return the value set as its expansion shows it."""
    keep = asked.is_true("includeDefinition")
    return {
        key: value
        for key, value in value_set.resource.items()
        if key == "resourceType" or (keep and key != "id") or key not in _DROPPED
    }


def _echo(asked: Asked, notes: Notes) -> None:
    """Say by which parameters the expansion was made."""
    if asked.text("filter"):
        notes.add("filter", "valueString", asked.text("filter"))
    languages = asked.languages()
    if languages:
        notes.add("displayLanguage", "valueCode", shown(languages))
    for value in asked.all("designation"):
        notes.add("designation", "valueString", str(value))
    for name in _FLAGS:
        if asked.has(name):
            notes.add(name, "valueBoolean", asked.is_true(name))
    for name in ("offset", "count"):
        if asked.has(name):
            notes.add(name, "valueInteger", asked.number(name))
    for value in asked.all("exclude-system"):
        notes.add("exclude-system", "valueUri", str(value))


def _fill(
    expansion: Json, selected: Selected, inquiry: Inquiry, notes: Notes, offset: int, count: int | None
) -> None:
    asked = inquiry.asked
    entries = list(selected.entries.values())
    unwanted = {split(str(one))[0] for one in asked.all("exclude-system")}
    nested = (
        selected.is_nested
        and not asked.is_true("excludeNested")
        and not offset
        and not unwanted
        and (count is None or count > len(entries))
    )
    if unwanted:
        entries = [one for one in entries if one.url not in unwanted]
        expansion["total"] = len(entries)
    chosen = selected.roots if nested else entries[offset : None if count is None else offset + count]
    shower = Shower(asked, selected.shows_version)
    rows = [_row(one, shower, nested) for one in chosen]
    for one in sorted(inquiry.found | shower.used):
        notes.add("used-supplement", "valueUri", _versioned(one, entries))
    for name, canonical in inquiry.used_rules:
        notes.add(name, "valueUri", canonical)
    if notes.fragments:
        reason = "Of these code systems only a part is known here: " + ", ".join(notes.fragments)
        expansion["extension"] = [
            {"url": _UNCLOSED, "valueBoolean": True},
            {"url": _UNCLOSED + "-reason", "valueString": reason},
        ]
    if notes.rows:
        expansion["parameter"] = list(notes.rows.values())
    if shower.properties:
        expansion["property"] = [
            {"code": code} | ({"uri": uri} if uri else {}) for code, uri in shower.properties.items()
        ]
    if rows:
        expansion["contains"] = rows


def _versioned(supplement: str, entries: Sequence[Entry]) -> str:
    """Return a supplement's canonical with its version, where its code system has it laid over."""
    for one in entries:
        for known in one.system.about.supplements:
            if known == supplement or split(known)[0] == supplement:
                return known
    return supplement


def _row(entry: Entry, shower: Shower, nested: bool) -> Json:
    row = shower.row(entry)
    if nested and entry.children:
        row["contains"] = [_row(one, shower, nested) for one in entry.children]
    return row
