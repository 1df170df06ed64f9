"""Sections of a Composition: a narrative in each language, and entries or the reason why there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from salus.primary.composing.draft import Part
from salus.primary.composing.material import Material, Resource, Terms, key_of
from salus.primary.language import title, word
from salus.primary.left_out import write_older
from salus.primary.narrative import Line, line, narrative, paragraph, table
from salus.primary.selection import Selected

Lines = Callable[[Resource, str, Selected], Line]
"""Gives an entry, in a language, of a section's selection, as a line."""
NOTE = "http://hl7.org/fhir/StructureDefinition/note"
EMPTY = "http://terminology.hl7.org/CodeSystem/list-empty-reason"


def write_section(
    part: Part, material: Material, addresses: Mapping[str, str], terms: Terms, lines: Lines
) -> dict[str, Any]:  # FHIR content is open JSON, hence Any
    """Return a section; one without entries says "unavailable": that there is nothing only data can say."""
    section, selected = part.section, part.selected
    composed: dict[str, Any] = {
        "title": title(section.name, terms.languages[0]),
        "code": {"coding": [{"system": section.system, "code": section.code, "display": section.display}]},
    }
    said = "".join(paragraph(each) for each in part.said)
    if selected is None and part.said:
        notes = [{"url": NOTE, "valueAnnotation": {"text": each}} for each in part.said]
        return composed | {"extension": notes, "text": narrative(dict.fromkeys(terms.languages, said))}
    if selected is None or not selected.resources:
        texts = {each: paragraph(word("unavailable", each)) for each in terms.languages}
        return composed | {"text": narrative(texts), "emptyReason": empty_reason(terms.languages[0])}
    kept = [each for each in selected.resources if key_of(each) in addresses]
    left_out = selected.left_out + len(selected.resources) - len(kept)
    if left_out:
        composed["extension"] = write_older(left_out)
    composed["text"] = narrative(
        {
            language: said
            + table(
                [lines(each, language, selected) for each in kept],
                language,
                left_out=left_out,
            )
            for language in terms.languages
        }
    )
    entries = [{"reference": addresses[key_of(each)]} for each in kept]
    return composed | ({"entry": entries} if entries else {"emptyReason": empty_reason(terms.languages[0])})


def empty_reason(language: str) -> dict[str, Any]:  # FHIR content is open JSON, hence Any
    """Return that a section has no entries because no information is available."""
    reason = {"system": EMPTY, "code": "unavailable", "display": "Unavailable"}
    return {"coding": [reason], "text": word("unavailable", language)}


def lines_of(material: Material, terms: Terms) -> Lines:
    """Return what gives an entry as a line, with what its section knows of it; each is made once."""
    made: dict[tuple[int, int, str], Line] = {}

    def line_of(resource: Resource, language: str, selected: Selected) -> Line:
        key = (id(resource), id(selected), language)  # of objects that live as long as the document is made
        if key not in made:
            own_id = str(resource["id"])
            orders, doubted = selected.orders.get(own_id, ()), own_id in selected.doubted
            made[key] = line(resource, material.held, language, orders=orders, doubted=doubted, now=terms.now)
        return made[key]

    return line_of
