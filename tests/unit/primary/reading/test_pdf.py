"""The PDF of a document: for machines that read aloud, in every language, and nobody's words are code."""

import re
import zlib
from datetime import UTC, datetime

import msgspec
import pytest
from babel import Locale
from tests.unit.primary.reading.documents import (
    ATTACK,
    BY_CATEGORY,
    SUMMARY,
    changed_everywhere,
)

from salus.core.errors import TooLarge, TooSlow
from salus.core.limits import Limits
from salus.primary.reading.document import read_document
from salus.primary.reading.model import Node
from salus.primary.reading.pdf import print_pdf
from salus.primary.reading.print_text import printed_text
from salus.primary.wording.catalogue import LANGUAGES

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIMITS = Limits()
CODES = '#read("/etc/passwd") #import "@preview/x:0.1.0" #image("/etc/hosts") $x$ = _y_ <z> @w // /* `raw`'


def printed(document, language="en", limits=LIMITS):
    return print_pdf(read_document(document, language, NOW), NOW, limits)


def streams(pdf):
    """Yield the content of the streams of a PDF, inflated."""
    for found in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            yield zlib.decompressobj().decompress(found[1])
        except zlib.error:
            yield found[1]


def characters(pdf):
    """Return the characters that the fonts of a PDF can be copied as (their ToUnicode maps)."""
    shown = set()
    for stream in streams(pdf):
        for kind, block in re.findall(rb"beginbf(char|range)(.*?)endbf", stream, re.DOTALL):
            codes = re.findall(rb"<([0-9A-Fa-f]+)>", block)
            for target in codes[1::2] if kind == b"char" else codes[2::3]:
                shown |= set(bytes.fromhex(target.decode()).decode("utf-16-be", "ignore"))
    return shown


@pytest.fixture(scope="module")
def summary():
    return printed(SUMMARY)


def test_a_pdf_is_tagged_and_names_its_title_and_language(summary):
    whole = summary + b"".join(streams(summary))
    assert b"/StructTreeRoot" in whole
    assert b"/Marked true" in whole
    assert re.search(rb"/Lang\s*\(en", whole)
    assert b"pdfuaid:part" in whole
    assert b"/DisplayDocTitle true" in whole


def test_the_same_reading_at_the_same_moment_gives_the_same_bytes(summary):
    assert printed(SUMMARY) == summary


def test_a_pdf_has_the_letters_of_all_languages_of_the_union():
    """Unicode CLDR: the main exemplar letters of each of the 24 languages, small and capital."""
    letters = set()
    for language in LANGUAGES:
        held = Locale.parse(language)
        letters |= {each for month in held.months["format"]["wide"].values() for each in month}
    letters |= set("ąčęėįšųūžāēģīķļņąćęłńóśźżáčďéěíňóřšťúůýžäĺľôŕőűșțăâîåæøõöüßñçğħġċżàèìòùâêîôûëïœÿ")
    letters |= set("абвгдежзийклмнопрстуфхцчшщъьюяαβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ")
    letters |= {each.upper() for each in letters if len(each.upper()) == 1}
    pair = {"resourceType": "Condition", "code": {"text": " ".join(sorted(letters))}}
    missing = {each for each in letters if each.isalpha()} - characters(printed(pair))
    assert missing == set()


@pytest.mark.parametrize("told", [CODES, ATTACK])
def test_no_words_of_a_source_are_code(told):
    pdf = printed(changed_everywhere(BY_CATEGORY["discharge-report"], told))
    assert {"#", "$", "/"} & set(told) <= characters(pdf)


def test_what_is_too_long_is_not_printed():
    with pytest.raises(TooLarge, match="read it as a page"):
        printed(SUMMARY, limits=msgspec.structs.replace(LIMITS, print_bytes_max=1_000))


def test_what_takes_too_long_is_ended():
    reading = msgspec.structs.replace(read_document(SUMMARY, "en", NOW), notes=("word " * 1_000_000,))
    limits = msgspec.structs.replace(LIMITS, print_ms_max=1_000, print_bytes_max=10**8)
    with pytest.raises(TooSlow, match="read it as a page"):
        print_pdf(reading, NOW, limits)


def test_rows_of_a_table_of_the_source_have_as_many_cells():
    cell = Node("td", (("colspan", "2"),), ("a",))
    rows = (Node("tr", (), (cell,)), Node("tr", (), (Node("th", (), ("b",)),)), Node("tr", (), ()))
    (table,) = printed_text(Node("table", (), (Node("tbody", (), rows),)))
    assert table["columns"] == 2
    assert [sum(cell["span"] for cell in row) for row in table["rows"]] == [2, 2]


def test_text_of_the_source_nested_deeper_than_the_template_bears_is_laid_flat():
    node = Node("b", (), ("x",))
    for _ in range(50):
        node = Node("ul", (), (Node("li", (), (node,)),))
    assert "x" in str(printed_text(node))

    def depth(part):
        inner = part.get("items", part.get("c", [])) if isinstance(part, dict) else part
        return 1 + max((depth(each) for each in inner if not isinstance(each, str)), default=0)

    assert depth(printed_text(node)) < 40
