"""One section of a document (R4 Composition.section): its entries, its own text, and why there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.primary.language import say, say_number, sections, show_concept, word
from salus.primary.language import title as title_of
from salus.primary.left_out import read_older
from salus.primary.reading.entry import Context, read_within
from salus.primary.reading.model import Block, Section
from salus.primary.reading.own_text import is_unreadable, own_text, says_something
from salus.primary.reading.trends import with_earlier
from salus.primary.references import resolve
from salus.primary.selection import says_none
from salus.primary.wording.messages import messages

DEPTH_MAX = 6
GENERATED = "generated"
Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any


def read_section(section: Resource, context: Context, depth: int = 0) -> Section:
    """Return a section and those within it."""
    language = context.language
    key = key_of(section.get("code"))
    held = [resolve(reference, context.held) for reference in section.get("entry", ())]
    found = [resource for resource in held if resource]
    others = not all(says_none(resource) for resource in found)
    entries = [read_within(each, context, doubted=others and says_none(each)) for each in found]
    inner = section.get("section", ()) if depth < DEPTH_MAX else ()
    blocks = blocks_of(section, language)
    lost = [each for each, one in zip(section.get("entry", ()), held, strict=True) if not one]
    written = str(section.get("title", "")) or show_concept(section.get("code"), "").text
    title = title_of(key, language) if key else written or word("unnamed", language)
    told = blocks or is_unreadable(section.get("text"))
    silent = not (entries or lost or inner or (told and "emptyReason" not in section))
    return Section(
        key=key,
        title=title,
        original=written if written != title else "",
        entries=with_earlier(entries),
        sections=tuple(read_section(each, context, depth + 1) for each in inner),
        own_text=blocks,
        text_says_more=section.get("text", {}).get("status") != GENERATED or not entries,
        missing=_missing(section, language) if silent else "",
        notes=(*_lost(lost, language), *_older(section, language), *unreadable(section, language)),
    )


def key_of(concept: object) -> str:
    """Return the short name of the section that a code stands for, "" for none that is known."""
    codings = concept.get("coding", ()) if isinstance(concept, Mapping) else ()
    codes = {str(each.get("code", "")) for each in codings}
    return next((key for key, each in sections().items() if each.code in codes), "")


def blocks_of(element: Resource, language: str) -> tuple[Block, ...]:
    """Return the text of a Composition or section by language, the reader's first."""
    found = [block for block in own_text(element.get("text")) if says_something(block)]
    return tuple(sorted(found, key=lambda block: block.language != language))


def unreadable(element: Resource, language: str) -> list[str]:
    """Return that an element's own text cannot be shown, [] where it can."""
    return [say("reading.text-unreadable", language).text] if is_unreadable(element.get("text")) else []


def _missing(section: Resource, language: str) -> str:
    """Return why there is nothing: the source's reason, or that it gives none."""
    reason = section.get("emptyReason")
    codes = [str(each.get("code", "")) for each in (reason or {}).get("coding", ())]
    known = next((f"empty.{code}" for code in codes if f"empty.{code}" in messages()), "")
    if known:
        return say(known, language).text
    return show_concept(reason, language).text or say("reading.none-recorded", language).text


def _lost(references: list[Resource], language: str) -> list[str]:
    """Return how many entries the document names and does not hold, and what it calls them."""
    if not references:
        return []
    names = [str(each.get("display") or _number(each)) for each in references]
    told = say_number("reading.not-held", language, str(len(references))).text
    named = ", ".join(name for name in names if name)
    return [f"{told}: {named}" if named else told]


def _number(reference: Resource) -> str:
    return str(reference.get("identifier", {}).get("value", ""))


def _older(section: Resource, language: str) -> list[str]:
    number = read_older(section)
    return [f"{word('older', language)}: {number}"] if number else []
