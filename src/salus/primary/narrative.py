"""A resource as a line a person can read, and lines as a safe XHTML table (R4 narrative).

Every text that came from a record is escaped; no markup of a record ever enters a narrative of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import msgspec

from salus.primary.language import Shown, show_concept, show_status, word
from salus.primary.references import local_reference
from salus.primary.selection import clinical_date, orders_of

XHTML = "http://www.w3.org/1999/xhtml"
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class Line(msgspec.Struct, frozen=True):
    """One entry for a reader.

    Args:
        what: its name in the reader's language, or the original, marked.
        details: status, value, dose, reactions and the like, each as `what`.
        when: the clinical date as written, "" when unknown.
    """

    what: Shown
    details: tuple[Shown, ...]
    when: str


def line(
    resource: Resource, medications: Mapping[str, Resource], language: str, *, order: Resource | None = None
) -> Line:
    """Return the resource as a line.

    Args:
        resource: an entry of a section.
        medications: Medication and Device resources by "Type/id".
        language: BCP 47 language code.
        order: the prescription of the same medicine, for which this line stands as well.
    """
    names = [show_concept(concept, language) for concept in _names(resource, medications)]
    what = next((name for name in names if name.text), Shown(word("unnamed", language), True))
    details = [*_standing(resource, order, language), *_details(resource, language)]
    details = [show for show in details if show.text]
    return Line(what, tuple(details), clinical_date(resource))


def sentence(entry: Line, language: str) -> str:
    """Return the line as one XHTML paragraph, for the narrative of the entry itself."""
    parts = [_cell(each, language) for each in (entry.what, *entry.details)]
    return f"<p>{'; '.join([*parts, *([escape(entry.when)] if entry.when else [])])}</p>"


def table(lines: Sequence[Line], language: str, *, left_out: int = 0) -> str:
    """Return the lines as an XHTML fragment in the language."""
    heads = "".join(f"<th>{escape(word(name, language))}</th>" for name in ("what", "detail", "when"))
    rows = "".join(
        f"<tr><td>{_cell(each.what, language)}</td>"
        f"<td>{'; '.join(_cell(detail, language) for detail in each.details)}</td>"
        f"<td>{escape(each.when)}</td></tr>"
        for each in lines
    )
    note = f"<p>{escape(word('older', language))}: {left_out}</p>" if left_out else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{note}"


def paragraph(text: str) -> str:
    """Return the text as an XHTML paragraph."""
    return f"<p>{escape(text)}</p>"


def narrative(fragments: Mapping[str, str]) -> dict[str, str]:
    """Return an R4 Narrative of one fragment for each language, in the order given."""
    blocks = "".join(
        f'<div lang="{language}" xml:lang="{language}">{fragment}</div>'
        for language, fragment in ((escape(key), fragment) for key, fragment in fragments.items())
    )
    return {"status": "generated", "div": f'<div xmlns="{XHTML}">{blocks}</div>'}


def _cell(shown: Shown, language: str) -> str:
    marked = "" if shown.translated else f" <i>({escape(word('original', language))})</i>"
    return escape(shown.text) + marked


def _names(resource: Resource, medications: Mapping[str, Resource]) -> list[Resource]:
    """Return the concepts that may name the entry, the best first."""
    concepts = [resource.get(name) for name in ("medicationCodeableConcept", "vaccineCode", "code")]
    for name in ("medicationReference", "device"):
        reference = resource.get(name, {})
        held = medications.get(local_reference(str(reference.get("reference", ""))), {})
        concepts += [held.get("code"), held.get("type")]
        concepts.append({"text": reference["display"]} if reference.get("display") else None)
    concepts += [{"text": resource[name]} for name in ("title", "description") if resource.get(name)]
    concepts += list(resource.get("category", ()))[:1] if isinstance(resource.get("category"), list) else []
    return [concept for concept in concepts if isinstance(concept, dict)]


def _standing(resource: Resource, order: Resource | None, language: str) -> list[Shown]:
    """Return whether a medicine is taken, prescribed or both, and since when it is prescribed."""
    kind = resource.get("resourceType")
    taken = [Shown(word("taken", language), True)] if kind == "MedicationStatement" else []
    if kind != "MedicationRequest" and order is None and not orders_of(resource):
        return taken
    since = clinical_date(order) if order is not None else ""
    return [*taken, Shown(f"{word('prescribed', language)} {since}".strip(), True)]


def _details(resource: Resource, language: str) -> list[Shown]:
    details = [
        _quantity(resource.get("valueQuantity")),
        show_concept(resource.get("valueCodeableConcept"), language),
    ]
    details += [_plain(resource.get(name)) for name in ("valueString", "valueDateTime", "valueInteger")]
    for component in resource.get("component", ()):
        name = show_concept(component.get("code"), language)
        value = _quantity(component.get("valueQuantity")).text
        details.append(Shown(f"{name.text} {value}".strip(), name.translated))
    for reaction in resource.get("reaction", ()):
        details += [show_concept(each, language) for each in reaction.get("manifestation", ())]
    for member in ("dosageInstruction", "dosage"):
        held = resource.get(member)
        details += (
            [_plain(dose.get("text"), translated=False) for dose in held] if isinstance(held, list) else []
        )
    clinical = resource.get("clinicalStatus")
    details.append(
        show_concept(clinical, language)
        if clinical
        else show_status(str(resource.get("status", "")), language)
    )
    if resource.get("criticality"):
        details.append(show_status(str(resource["criticality"]), language))
    return details


def _quantity(quantity: Resource | None) -> Shown:
    if not quantity or "value" not in quantity:
        return Shown("", True)
    unit = quantity.get("unit") or quantity.get("code") or ""
    return Shown(f"{quantity.get('comparator', '')}{quantity['value']} {unit}".strip(), True)


def _plain(text: object, *, translated: bool = True) -> Shown:
    return Shown("" if text is None else str(text), translated)
