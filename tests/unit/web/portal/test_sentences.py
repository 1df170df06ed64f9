"""What went wrong is said in the language of the page."""

import ast
import re
from functools import cache
from html import unescape
from pathlib import Path

import pytest

import salus
from salus.web.portal.sentences import sentences, tell
from salus.web.portal.words import LANGUAGES, phrase

COMPOSED = {"no-relationship", "emergency-words", "treatment-words"}
"""Sentences of which the code says one part here and one there."""
NO_TOKEN = "node pt-1 gave no token: purpose TREAT needs a relationship to the patient: in-care or present"


def _text_of(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "{}"


@cache
def said_in_code():
    """Return the text of each string of the code, with {} for every part that is filled in."""
    found = []
    for file in sorted(Path(salus.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(_text_of(each) for each in node.values))
            elif isinstance(node, ast.Constant):
                found.append(_text_of(node))
    return "\n".join(found)


@pytest.mark.parametrize("name", sorted(set(sentences()) - COMPOSED))
def test_every_sentence_is_one_that_the_node_says(name):
    first = re.split(r"\{\w+\}", sentences()[name].en)
    longest = max(first, key=len).rstrip(": .")
    assert longest in said_in_code()


@pytest.mark.parametrize("name", sorted(sentences()))
def test_every_sentence_keeps_its_parts_in_every_language(name):
    row = sentences()[name]
    parts = set(re.findall(r"\{(\w+)\}", row.en))
    for language in LANGUAGES:
        text = row.in_language(language)
        assert text.strip()
        assert set(re.findall(r"\{(\w+)\}", text)) <= parts


def test_a_sentence_is_told_in_the_language_of_the_page_with_its_parts():
    said = "A passcode has 6 to 100 characters."
    assert tell(said, "pt") == '<span lang="pt">Um código tem de 6 a 100 caracteres.</span>'
    assert tell(said, "en") == f'<span lang="en">{said}</span>'


def test_a_sentence_that_nobody_translated_stays_english_and_is_marked_so():
    assert tell("No such thing was foreseen.", "et") == '<span lang="en">No such thing was foreseen.</span>'
    assert tell("", "et") == ""


def test_what_a_sentence_quotes_is_text_and_never_markup():
    assert "<b>" not in tell("This is no national identifier of <b>; a digit may be wrong.", "fr")
    assert "<b>" not in tell("<b>", "fr")


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_who_forgot_to_say_that_the_patient_is_here_is_told_which_box_to_tick(language):
    told = tell(NO_TOKEN, language)
    assert phrase("is-here", language) in unescape(told)
    assert "TREAT" not in told
    assert f'lang="{language}"' in told
