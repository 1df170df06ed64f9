"""What a reader sees of a document: who, from whom, the important first, sections with entries in fields.

Every text is already in the reader's language, or in the source's and marked as such. Nothing here is markup
but `Node`, the parts of the source's own text that an allow list let through.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Tone(StrEnum):
    """What a text means for the reader; always said in words as well."""

    PLAIN = ""
    NORMAL = "normal"
    ATTENTION = "attention"
    HIGH = "high"
    LOW = "low"
    CRITICAL = "critical"


class Node(msgspec.Struct, frozen=True):
    """An element of the source's own text (XHTML), of an allowed kind, and what it holds."""

    tag: str
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[Node | str, ...] = ()


class Block(msgspec.Struct, frozen=True):
    """The source's own text in one language: its code as it names it, "" where it names none."""

    language: str
    root: Node


class Field(msgspec.Struct, frozen=True):
    """One statement.

    Args:
        label: what it says something of, "" for a statement by itself.
        text: what it says.
        translated: whether all of it is in the reader's language.
        original: what the source wrote, where the text says it in other words.
        tone: what it means.
    """

    label: str
    text: str
    translated: bool = True
    original: str = ""
    tone: Tone = Tone.PLAIN


class Measure(msgspec.Struct, frozen=True):
    """What was found, against what is usual.

    Args:
        found: the value with its unit, or why there is none.
        ranges: the source's reference ranges, each in words.
        flags: the source's judgement, else ours by the range.
        number: the value, where it is one number that others can be compared with.
        unit: what the number counts, as the source codes it.
        low, high: the reference range in the same unit, where there is one of numbers.
    """

    found: Field
    ranges: tuple[str, ...] = ()
    flags: tuple[Field, ...] = ()
    number: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def tone(self) -> Tone:
        """Return the most pressing tone of the flags."""
        order = list(Tone)
        return max((flag.tone for flag in self.flags), key=order.index, default=Tone.PLAIN)


class Entry(msgspec.Struct, frozen=True):
    """One resource in words.

    Args:
        reference: "Type/id", "" when it has no id.
        what: what it is about, in the reader's language where a wording is known.
        translated: whether `what` is in the reader's language.
        original: the source's own words.
        details: value, dose, status and the like in one line each; one in the source's words is marked.
        when: the clinical date as written, "" when there is none.
        sorted_by: the moment of that date, or where it is not known of its recording.
        source: the system it came from, "" when unknown.
        date: `when` in words.
        marks: what must be seen beside its name: danger, doubt, error.
        fields: what it says besides a measurement, each with its name.
        codes: its codes with their systems, "LOINC 718-7".
        measure: what was found, for a measurement.
        parts: entries that belong to it: components, results of a report.
        earlier: the same measurement at earlier times, newest first.
        is_read: False for a kind that cannot be put in fields.
        own_text: the source's text, where it is needed.
    """

    reference: str
    what: str
    translated: bool
    original: str
    details: tuple[str, ...]
    when: str
    sorted_by: float
    source: str
    date: str = ""
    marks: tuple[Field, ...] = ()
    fields: tuple[Field, ...] = ()
    codes: tuple[str, ...] = ()
    measure: Measure | None = None
    parts: tuple[Entry, ...] = ()
    earlier: tuple[Entry, ...] = ()
    is_read: bool = True
    own_text: tuple[Block, ...] = ()


class Section(msgspec.Struct, frozen=True):
    """One section of a document.

    Args:
        key: its short name, "" for one that is not known, whose title is the document's own.
        title: in the reader's language; the document's own where we have no other.
        original: the title as the document has it, where it is another.
        entries: the coded entries in words.
        sections: the sections within it.
        own_text: the source's text by language, the reader's first.
        text_says_more: whether that text is not only made from the entries (Narrative.status).
        missing: why there is nothing, in the reader's language; "" when there is something.
        notes: what the reader must know: entries not at hand, older ones left out.
    """

    key: str
    title: str
    original: str = ""
    entries: tuple[Entry, ...] = ()
    sections: tuple[Section, ...] = ()
    own_text: tuple[Block, ...] = ()
    text_says_more: bool = False
    missing: str = ""
    notes: tuple[str, ...] = ()


class Highlight(msgspec.Struct, frozen=True):
    """What must be seen first of one section: its title, its place on the page, and its entries in short."""

    title: str
    anchor: str
    lines: tuple[Field, ...]
    more: str = ""


class Reading(msgspec.Struct, frozen=True):
    """A document for a reader.

    Args:
        category: priority category by its name in the profiles' table, "other" for none.
        language: of the reader, one of the 24.
        written_in: language of the document by its code, "" when it is not stated.
        title: what it is, in the reader's language.
        original: the title as the document has it.
        patient: name of the patient.
        born, gender: as the source writes them: date, R4 code.
        issued: date of the document as written.
        authors: names of who wrote it.
        person: who the patient is, field by field: birth, age, gender, identifiers.
        contact: where and by whom they are reached, and who looks after them.
        facts: from whom it is, when, in which state, of which stay.
        more_facts: who confirmed and keeps it, its language, number and version.
        warnings: what forbids to rely on it as on any other.
        highlights: the important first.
        sections: in the order of the page.
        about: the source's own text on the whole.
        notes: what holds for the whole page: what is left out, what is not reviewed, whose words are marked.
    """

    category: str
    language: str
    written_in: str
    title: str
    original: str
    patient: str
    born: str
    gender: str
    issued: str
    authors: tuple[str, ...]
    person: tuple[Field, ...]
    contact: tuple[Field, ...]
    facts: tuple[Field, ...]
    more_facts: tuple[Field, ...]
    warnings: tuple[str, ...]
    highlights: tuple[Highlight, ...]
    sections: tuple[Section, ...]
    about: tuple[Block, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def entries(self) -> int:
        """Return how many coded entries the document shows."""
        return sum(1 for _ in entries_of(self.sections))

    @property
    def translated(self) -> int:
        """Return how many of them have a wording in the reader's language."""
        return sum(entry.translated for entry in entries_of(self.sections))


def entries_of(sections: tuple[Section, ...]) -> list[Entry]:
    """Return every entry of the sections and of those within them, earlier ones included, in order."""
    found: list[Entry] = []
    for section in sections:
        for entry in section.entries:
            found += [entry, *entry.earlier]
        found += entries_of(section.sections)
    return found
