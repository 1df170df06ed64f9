"""What must be seen first of a document: allergies, alerts, problems, medicines, results out of range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salus.primary.language import say, sections
from salus.primary.reading.model import Entry, Field, Highlight, Section, Tone
from salus.primary.reading.own_text import plain
from salus.primary.selection import PAST

LINES_MAX, TEXT_MAX, DOSE_MAX = 30, 400, 120
ALLERGIES = "allergies"
TELLS_OF_ALLERGIES = frozenset({"patient-summary", "discharge-report"})
"""Categories in which a reader expects allergies; of others their absence tells nothing."""
PRESSING = frozenset({Tone.HIGH, Tone.LOW, Tone.CRITICAL, Tone.ATTENTION})
Resource = dict[str, Any]  # FHIR content is open JSON, hence Any


def highlights(
    found: Sequence[Section], category: str, language: str, past: frozenset[str]
) -> tuple[Highlight, ...]:
    """Return the important first, in the order of its sections' places.

    Args:
        found: the sections of the document in the order of the page.
        category: of the document; of some it is said when they tell nothing of allergies.
        language: of the reader.
        past: references of entries that are over, which are not among the important.
    """
    shown = []
    for place, section in enumerate(found):
        known = sections().get(section.key)
        if known is not None and known.first:
            shown.append(_of_section(section, f"s{place}", language, past))
    if category in TELLS_OF_ALLERGIES and all(section.key != ALLERGIES for section in found):
        title = say("section.allergies", language).text
        text = Field("", say("reading.allergies-absent", language).text, tone=Tone.ATTENTION)
        shown.insert(0, Highlight(title, "", (text,)))
    return tuple(
        each for each in (*shown, *_conclusions(found, language), *_outside(found, language)) if each.lines
    )


def _of_section(section: Section, anchor: str, language: str, past: frozenset[str]) -> Highlight:
    listed = [entry for entry in section.entries if entry.reference not in past]
    dosage = say("label.dosage", language).text
    lines = [_short(entry, dosage) for entry in listed[:LINES_MAX]]
    if section.missing:
        lines.append(Field("", section.missing, tone=Tone.ATTENTION))
    lines += [Field("", note, tone=Tone.ATTENTION) for note in section.notes]
    if not section.entries:
        lines += [Field("", _cut(plain(each.root)), translated=False) for each in section.own_text[:1]]
    more = len(listed) - LINES_MAX
    return Highlight(section.title, anchor, tuple(lines), _and_more(more, language))


def _short(entry: Entry, dosage: str) -> Field:
    """Return an entry by its name, how a medicine is taken, and what makes it pressing."""
    doses = [each for each in entry.fields if each.label == dosage and len(each.text) <= DOSE_MAX]
    text = ", ".join([entry.what, *(each.text for each in (*entry.marks, *doses))])
    tone = next((mark.tone for mark in entry.marks), Tone.PLAIN)
    translated = entry.translated and all(each.translated for each in doses)
    return Field("", text, translated, entry.original if entry.translated else "", tone)


def _conclusions(found: Sequence[Section], language: str) -> list[Highlight]:
    """Return what reports conclude."""
    label = say("label.conclusion", language).text
    shown = []
    for place, section in enumerate(found):
        told = [each for entry in section.entries for each in entry.fields if each.label == label]
        lines = tuple(Field("", _cut(each.text), each.translated, each.original) for each in told)
        shown.append(Highlight(label[:1].upper() + label[1:], f"s{place}", lines))
    return shown


def _cut(text: str) -> str:
    """Return the beginning of a text, its lines in one."""
    joined = " · ".join(" ".join(line.split()) for line in text.splitlines() if line.strip())
    return joined if len(joined) <= TEXT_MAX else joined[:TEXT_MAX].rsplit(" ", 1)[0] + " …"


def _outside(found: Sequence[Section], language: str) -> list[Highlight]:
    """Return the newest measurements that their source, or its range, calls unusual."""
    lines: list[Field] = []
    anchor = ""
    for place, section in enumerate(found):
        for entry in _measured(section):
            assert entry.measure is not None, "only measurements are asked for"
            if entry.measure.tone in PRESSING:
                flags = ", ".join(flag.text for flag in entry.measure.flags)
                text = f"{entry.what} {entry.measure.found.text}, {flags}"
                lines.append(Field("", text, entry.translated, tone=entry.measure.tone))
                anchor = anchor or f"s{place}"
    title = say("reading.out-of-range", language).text
    more = _and_more(len(lines) - LINES_MAX, language)
    return [Highlight(title, anchor, tuple(lines[:LINES_MAX]), more)] if lines else []


def _measured(section: Section) -> list[Entry]:
    entries = [entry for entry in section.entries for entry in (entry, *entry.parts) if entry.measure]
    return [*entries, *(entry for inner in section.sections for entry in _measured(inner))]


def _and_more(number: int, language: str) -> str:
    return say("reading.also", language, n=str(number)).text if number > 0 else ""


def past_of(resources: Sequence[Resource]) -> frozenset[str]:
    """Return the references of problems and allergies that are over (clinicalStatus)."""
    return frozenset(
        f"{each.get('resourceType')}/{each.get('id')}"
        for each in resources
        if PAST & {str(coding.get("code")) for coding in each.get("clinicalStatus", {}).get("coding", ())}
    )
