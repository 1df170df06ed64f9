"""A reading as a PDF that every reader and screen reader can use (PDF/UA-1), printed by a process of its own.

The library is Typst (docs/decisions/0044): it brings its fonts, for Latin, Greek and Cyrillic. A document is
data to its template; nothing of it is ever read as Typst's language.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from salus.core.errors import MalformedContent, TooLarge, TooSlow
from salus.core.limits import Limits
from salus.primary.days import day, language_name
from salus.primary.language import say
from salus.primary.reading.html import MARKS, has_originals, measured, unmeasured
from salus.primary.reading.model import Block, Entry, Reading, Section
from salus.primary.reading.print_text import printed_text

PDF = "application/pdf"
PRESS = Path(__file__).with_name("press.py")
WORDS = (
    "page", "own-text", "as-written", "earlier", "what", "result", "range", "assessment", "when", "detail",
    "patient", "original-mark", "important", "document", "source-counts",
)  # fmt: skip
KILLED = frozenset({-signal.SIGXCPU, -signal.SIGKILL})
"""How the process ends that has used up its processor time."""
SLOW = "Printing this document took too long; read it as a page instead."
RUN = re.compile(r"\S{25,}")
"""What is longer than a column, such as an identifier: places to break are put into it."""
BREAK, PIECE = "\u200b", 12
PRINTABLE = re.compile(
    r"[\s\u0020-\u036f\u0370-\u03ff\u0400-\u052f\u1e00-\u1fff\u2000-\u206f\u2070-\u20bf\u2100-\u22ff\u25a0-\u25ff]*"
)
"""Scripts that the fonts of the library have letters for: Latin, Greek, Cyrillic, signs."""
Json = dict[str, Any]  # what the template reads; its shape is the model's


def print_pdf(reading: Reading, made_at: datetime, limits: Limits) -> bytes:
    """Return the reading as a PDF. It works in a process of its own: not for the event loop.

    Raises:
        TooLarge: there is more of it than may be printed.
        TooSlow: it took longer than it may.
        MalformedContent: the library could not print it.
    """
    given = msgspec.json.encode(_given(reading, made_at)).decode()
    if len(given) > limits.print_bytes_max:
        raise TooLarge("This document is too long to print; read it as a page instead.")
    seconds = max(1, limits.print_ms_max // 1000)
    order = msgspec.json.encode({"reading": given, "at": int(made_at.timestamp()), "seconds": seconds})
    command = [sys.executable, "-I", str(PRESS)]
    try:
        done = subprocess.run(  # noqa: S603  our own file, no shell
            command, input=order, capture_output=True, timeout=seconds + 1, env={}, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TooSlow(SLOW) from error
    if done.returncode in KILLED:
        raise TooSlow(SLOW)
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF-"):
        raise MalformedContent("This document cannot be printed; read it as a page instead.")
    return done.stdout


def _given(reading: Reading, made_at: datetime) -> Json:
    """Return what the template reads."""
    words = {name: say(f"reading.{name}", reading.language).text for name in WORDS if name != "page"}
    page = say("reading.page", reading.language, a="{a}", b="{b}").text
    patient = reading.patient or say("not-stated", reading.language).text
    made = say("reading.made", reading.language, what=day(made_at.date().isoformat(), reading.language)).text
    held = msgspec.to_builtins(msgspec.structs.replace(reading, sections=(), about=()))
    shown = held | {
        "sections": [_section(each, reading.language) for each in reading.sections],
        "about": [_block(each, reading.language) for each in reading.about] if _says_more(reading) else [],
        "written_in": reading.written_in if re.fullmatch(r"[a-z]{2,3}", reading.written_in) else "",
    }
    if not PRINTABLE.fullmatch(str(shown)):
        shown["notes"] = [*shown["notes"], say("reading.unprintable", reading.language).text]
    given: Json = _broken(
        {
            "reading": shown,
            "words": {**words, "page": page},
            "marks": MARKS,
            "patient": patient,
            "title": " – ".join(each for each in (reading.title, reading.patient) if each),
            "foot": f"{reading.title}, {patient}. {made}",
            "has_originals": has_originals(reading),
        }
    )
    return given


def _says_more(reading: Reading) -> bool:
    """Return whether the document's text on the whole is in the reader's language or in no named one."""
    return any(block.language in ("", reading.language) for block in reading.about)


def _section(section: Section, language: str) -> Json:
    """Return a section; its own text only where that says more than its entries do."""
    held: Json = msgspec.to_builtins(msgspec.structs.replace(section, entries=(), sections=(), own_text=()))
    return held | {
        "measured": [_entry(each, language) for each in measured(section)],
        "entries": [_entry(each, language) for each in unmeasured(section)],
        "sections": [_section(each, language) for each in section.sections],
        "own_text": [_block(each, language) for each in section.own_text] if section.text_says_more else [],
    }


def _entry(entry: Entry, language: str) -> Json:
    held: Json = msgspec.to_builtins(
        msgspec.structs.replace(entry, own_text=(), parts=(), earlier=(), sorted_by=0.0)
    )
    return held | {
        "own_text": [_block(each, language) for each in entry.own_text],
        "parts": [_entry(each, language) for each in entry.parts],
        "earlier": [_entry(each, language) for each in entry.earlier],
    }


def _block(block: Block, language: str) -> Json:
    code = block.language if re.fullmatch(r"[a-z]{2,3}", block.language) else ""
    name = language_name(block.language, language) if block.language else ""
    return {"language": code, "name": name, "parts": printed_text(block.root)}


def _broken(value: Any) -> Any:  # any part of what the template reads
    """Return the same with places to break in long words."""
    if isinstance(value, str):
        return RUN.sub(lambda run: BREAK.join(re.findall(f".{{1,{PIECE}}}", run[0])), value)
    if isinstance(value, dict):
        return {key: _broken(each) for key, each in value.items()}
    return [_broken(each) for each in value] if isinstance(value, list | tuple) else value
