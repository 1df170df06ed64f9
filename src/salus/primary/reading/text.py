"""A reading as plain text, line by line: for a terminal, and for whoever compares two readings."""

from __future__ import annotations

from collections.abc import Iterator

from salus.primary.language import say
from salus.primary.reading.model import Entry, Field, Reading, Section
from salus.primary.reading.own_text import plain

STEP = "  "


def plain_text(reading: Reading) -> str:
    """Return the reading as text; what is within something is indented."""
    return "\n".join(line.rstrip() for line in _lines(reading)) + "\n"


def _lines(reading: Reading) -> Iterator[str]:
    yield reading.title
    if reading.original and reading.original != reading.title:
        yield _original(reading.original, reading.language)
    yield from (f"! {each}" for each in reading.warnings)
    patient = say("reading.patient", reading.language).text
    yield f"{patient}: {reading.patient or say('not-stated', reading.language).text}"
    yield from (_field(each) for each in (*reading.person, *reading.facts))
    yield from (f"* {each}" for each in reading.notes)
    if reading.highlights:
        yield ""
        yield f"# {say('reading.important', reading.language).text}"
        for highlight in reading.highlights:
            told = [each.text for each in highlight.lines] + ([highlight.more] if highlight.more else [])
            yield f"{STEP}{highlight.title}: {' | '.join(told)}"
    for section in reading.sections:
        yield from _section(section, reading.language, 1)
    yield ""
    yield f"# {say('reading.document', reading.language).text}"
    yield from (STEP + _field(each) for each in (*reading.more_facts, *reading.contact))


def _section(section: Section, language: str, level: int) -> Iterator[str]:
    yield ""
    yield f"{'#' * level} {section.title}"
    if section.original:
        yield STEP + _original(section.original, language)
    if section.missing:
        yield STEP + section.missing
    yield from (f"{STEP}* {note}" for note in section.notes)
    for entry in section.entries:
        yield from _entry(entry, language, STEP)
    for block in section.own_text if section.text_says_more else ():
        yield f"{STEP}{say('reading.own-text', language).text}: {' '.join(plain(block.root).split())}"
    for inner in section.sections:
        yield from _section(inner, language, level + 1)


def _entry(entry: Entry, language: str, indent: str) -> Iterator[str]:
    head = [
        entry.what,
        *(f"[{each.text}]" for each in entry.marks),
        *([f"({entry.date})"] if entry.date else []),
    ]
    yield indent + " ".join(head)
    within = indent + STEP
    if entry.original and entry.translated and entry.original != entry.what:
        yield within + _original(entry.original, language)
    if entry.codes:
        yield within + ", ".join(entry.codes)
    if entry.measure:
        yield within + found(entry)
    yield from (within + _field(each) for each in entry.fields)
    for part in entry.parts:
        yield from _entry(part, language, within)
    if entry.earlier:
        told = "; ".join(f"{found(each)} ({each.date})" for each in entry.earlier)
        yield f"{within}{say('reading.earlier', language).text}: {told}"
    for block in entry.own_text:
        yield within + " ".join(plain(block.root).split())


def found(entry: Entry) -> str:
    """Return what a measurement found in one line: value, judgement, range."""
    if entry.measure is None:
        return " / ".join(found(part) for part in entry.parts)
    told = [entry.measure.found.text, *(flag.text for flag in entry.measure.flags)]
    return ", ".join(told) + (f" [{'; '.join(entry.measure.ranges)}]" if entry.measure.ranges else "")


def _field(field: Field) -> str:
    text = " ".join(field.text.split())
    original = f" ({field.original})" if field.original else ""
    return f"{field.label}: {text}{original}" if field.label else f"{text}{original}"


def _original(text: str, language: str) -> str:
    return f"{say('reading.as-written', language).text}: {text}"
