"""Dates in words keep the precision they came with."""

import re
from datetime import UTC, datetime
from importlib import resources

import pytest

from salus.core.access import Action, Outcome, Purpose, Role
from salus.primary.dispensable import HINDRANCES
from salus.web.portal.rendering import day, moment
from salus.web.portal.words import LANGUAGES, phrase, words


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-05-03", "3 May 2026"),
        ("2026-05", "May 2026"),
        ("2026", "2026"),
        ("2026-05-03T23:30:00+02:00", "3 May 2026, 23:30 (+02:00)"),
        ("2026-05-03T23:30:00Z", "3 May 2026, 23:30 (UTC)"),
        ("", "no date"),
        ("unknown", "unknown"),
    ],
)
def test_a_date_in_words(written, shown):
    assert day(written) == shown


@pytest.mark.parametrize(
    ("when", "shown"),
    [
        (datetime(2026, 5, 3, 14, 5, 9, tzinfo=UTC), "3 May 2026, 14:05:09 UTC"),
        ("2026-05-03T23:30:00+02:00", "3 May 2026, 21:30:00 UTC"),
        ("2026-05-03", "3 May 2026"),
    ],
)
def test_a_moment_in_words(when, shown):
    assert moment(when) == shown


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", "23 April 2021"),
        ("et", "23. aprill 2021"),
        ("pt", "23 de abril de 2021"),
        ("fr", "23 avril 2021"),
    ],
)
def test_a_date_is_in_the_readers_language(language, shown):
    assert day("2021-04-23", language) == shown


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", HINDRANCES)
def test_why_nothing_is_dispensed_is_told_in_the_readers_language(code, language):
    told = phrase(f"why-{code}", language, what="x")
    assert told
    assert language == "en" or told != phrase(f"why-{code}", "en", what="x")


def test_every_phrase_has_every_language_and_the_same_parts_in_each():
    for name, texts in words().phrase.items():
        assert set(texts) == set(LANGUAGES), name
        parts = {frozenset(re.findall(r"{(\w+)}", text)) for text in texts.values()}
        assert len(parts) == 1, name


@pytest.mark.parametrize(
    ("stem", "codes"), [("did", Action), ("for", Purpose), ("outcome", Outcome), ("role", Role)]
)
def test_every_code_of_the_access_log_has_words(stem, codes):
    assert {f"{stem}-{code.value}" for code in codes} <= set(words().phrase)


def test_every_category_has_a_title_in_every_language():
    assert all(category.title(language) for category in words().category for language in LANGUAGES)


def test_every_phrase_of_every_template_has_words():
    folder = resources.files("salus.web.portal").joinpath("templates")
    named = {
        name
        for template in folder.iterdir()
        for name in re.findall(r'\bsay\("([^"]+)"(?! ~)', template.read_text())
    }
    assert named
    assert named <= set(words().phrase)
