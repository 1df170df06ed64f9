"""A reading as HTML: by itself as a file, or as the content of a page of the portal.

No script, nothing fetched from anywhere, one style sheet, which the file holds and its content policy names
by its hash. Every text of a source is escaped; of its own markup an allow list survives (`own_text`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

import jinja2
import msgspec
from markupsafe import Markup

from salus.primary.days import language_name
from salus.primary.language import say
from salus.primary.reading.model import Block, Entry, Field, Reading, Section
from salus.primary.reading.own_text import html_of

STYLE = "reading.css"
MARKS = {"high": "▲", "low": "▼", "critical": "‼", "attention": "!", "normal": "", "": ""}
"""Signs before what is unusual; the word stands beside each."""
WIDTH, HEIGHT, MARGIN = 120, 28, 4
POINTS_MAX = 40


class Words(msgspec.Struct, frozen=True):
    """What a template asks for words: those of one language, and how texts of a document are marked."""

    language: str
    written_in: str

    def say(self, name: str, /, **parts: str) -> str:
        """Return a message of the group `reading`, or "group.key" of another."""
        return say(name if "." in name else f"reading.{name}", self.language, **parts).text

    def shown(self, text: str, translated: bool) -> Markup:
        """Return a text, marked where it is in another language than the reader's."""
        if translated or self.written_in == self.language:
            return Markup("{}").format(text)
        return Markup('<i lang="{}">{}</i>').format(self.written_in, text)

    def original(self, text: str) -> Markup:
        """Return what the source wrote beside our words for it."""
        return Markup('<span lang="{}">{}</span>').format(self.written_in, text)

    def name_of(self, block: Block) -> str:
        """Return the name of the language that a text of the source is in, "" where it names none."""
        return language_name(block.language, self.language) if block.language else ""


@cache
def environment() -> jinja2.Environment:
    """Return the templates of this folder."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("salus.primary.reading", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"own_html": lambda block: Markup(html_of(block.root)), "trend": trend}  # noqa: S704  an allow list made it
    found.globals |= {"marks": MARKS, "measured": measured, "unmeasured": unmeasured}
    return found


def content(reading: Reading) -> str:
    """Return the reading as an HTML article without its title, for a page that links the style sheet."""
    words = Words(reading.language, reading.written_in)
    template = environment().get_template("article.html")
    return template.render(reading=reading, w=words, has_originals=has_originals(reading))


def page(reading: Reading) -> str:
    """Return the reading as an HTML file that needs nothing else."""
    style = style_sheet()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = environment().get_template("file.html")
    article = Markup(content(reading))  # noqa: S704  its template escapes what sources wrote
    return template.render(reading=reading, content=article, style=Markup(style), digest=digest)  # noqa: S704  ours


@cache
def style_sheet() -> str:
    """Return the style sheet of readings."""
    return resources.files(__package__).joinpath("templates", STYLE).read_text(encoding="utf-8")


def has_originals(reading: Reading) -> bool:
    """Return whether the page marks words in the language of the source."""
    return reading.written_in != reading.language and any(map(_has_originals, reading.sections))


def _has_originals(section: Section) -> bool:
    return any(map(_is_marked, section.entries)) or any(map(_has_originals, section.sections))


def _is_marked(entry: Entry) -> bool:
    fields: list[Field] = [*entry.fields, *((entry.measure.found,) if entry.measure else ())]
    parts = (*entry.parts, *entry.earlier)
    return not entry.translated or not all(each.translated for each in fields) or any(map(_is_marked, parts))


def measured(section: Section) -> list[Entry]:
    """Return the entries that a table of results shows."""
    return [entry for entry in section.entries if _is_result(entry)]


def unmeasured(section: Section) -> list[Entry]:
    """Return the entries that a table of results does not show."""
    return [entry for entry in section.entries if not _is_result(entry)]


def _is_result(entry: Entry) -> bool:
    return entry.measure is not None or any(part.measure for part in entry.parts)


def trend(entry: Entry) -> Markup:
    """Return a small drawing of a measurement over time, "" for fewer than three numbers.

    It is drawn beside the values in words, and says nothing that they do not.
    """
    dated = [*reversed(entry.earlier), entry]
    values = [each.measure.number for each in dated if each.measure and each.measure.number is not None][
        -POINTS_MAX:
    ]
    if len(values) < 3 or entry.measure is None:
        return Markup("")
    limits = [limit for limit in (entry.measure.low, entry.measure.high) if limit is not None]
    least, most = min([*values, *limits]), max([*values, *limits])
    template = environment().get_template("trend.svg")
    heights = [_height(value, least, most) for value in values]
    band = _band(entry.measure.low, entry.measure.high, least, most)
    points = [
        (MARGIN + place * (WIDTH - 2 * MARGIN) / (len(values) - 1), y) for place, y in enumerate(heights)
    ]
    return Markup(template.render(points=points, band=band, width=WIDTH, height=HEIGHT))  # noqa: S704  numbers of ours


def _height(value: float, least: float, most: float) -> float:
    spread = most - least or 1.0
    return HEIGHT - MARGIN - (value - least) / spread * (HEIGHT - 2 * MARGIN)


def _band(low: float | None, high: float | None, least: float, most: float) -> Sequence[float]:
    """Return top and height of the reference range, () where there is none."""
    if low is None and high is None:
        return ()
    top = _height(most if high is None else high, least, most)
    bottom = _height(least if low is None else low, least, most)
    return (top, bottom - top)
