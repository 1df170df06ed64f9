"""The fixed words of documents in the 24 official languages: complete, the same parts, counted by CLDR."""

from string import Formatter

import pytest
from babel import Locale
from babel.messages.pofile import read_po
from tools import catalogues

from salus.primary.language import displays, say, say_number, sections
from salus.primary.wording.catalogue import LANGUAGES, is_reviewed, translations
from salus.primary.wording.messages import Counted, messages, table
from salus.trust.explain import LIMITED
from salus.web.portal.words import LANGUAGES as OF_THE_PORTAL
from salus.web.portal.words import phrase

OTHERS = [language for language in LANGUAGES if language != "en"]
NUMBERS = (0, 1, 2, 3, 4, 5, 7, 10, 11, 12, 19, 20, 21, 22, 25, 100, 101, 102, 111)


@pytest.fixture(scope="module")
def read():
    """Return every catalogue, by language."""
    found = {}
    for language in OTHERS:
        with (catalogues.FOLDER / f"{language}.po").open("rb") as file:
            found[language] = read_po(file, locale=language)
    return found


def parts_of(text):
    return {field for _, field, _, _ in Formatter().parse(text) if field is not None}


def texts_of(message):
    return [message.string] if isinstance(message.string, str) else list(message.string)


def test_the_languages_are_the_official_ones_of_the_union():
    """Regulation No 1 determining the languages to be used by the European Economic Community, Article 1."""
    assert len(LANGUAGES) == 24
    assert list(LANGUAGES) == sorted(LANGUAGES)
    assert {"bg", "ga", "mt", "hr", "el"} < set(LANGUAGES)


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_has_every_message_and_no_other(language, read):
    held = {message.context: message for message in read[language] if message.id}
    assert held.keys() == messages().keys()
    assert [key for key, message in held.items() if not all(texts_of(message))] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_parts_of_its_english(language, read):
    for message in read[language]:
        if message.id:
            english = message.id if isinstance(message.id, str) else message.id[1]
            assert {frozenset(parts_of(each)) for each in texts_of(message)} == {
                frozenset(parts_of(english))
            }, message


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_is_no_longer_than_a_page_bears_and_has_no_stray_blank(language, read):
    for message in read[language]:
        for text in texts_of(message) if message.id else ():
            assert text == text.strip(), message.context
            assert "  " not in text, message.context
            assert len(text) < 200, message.context


@pytest.mark.parametrize("language", OTHERS)
def test_plural_forms_tell_apart_what_cldr_tells_apart(language):
    """Two whole numbers have one form exactly where Unicode CLDR gives them one category.

    Two exceptions, in which the categories differ for numbers that no document counts to: "many" of Spanish,
    Italian, French and Portuguese (a million), and zero in Portuguese, which Portugal counts as many.
    """
    region = "pt_PT" if language == "pt" else language
    category, form = Locale.parse(region).plural_form, translations(language).plural
    by_category = {}
    for number in NUMBERS:
        by_category.setdefault(category(number), set()).add(form(number))
    assert all(len(found) == 1 for found in by_category.values()), by_category
    assert len({next(iter(found)) for found in by_category.values()}) == len(by_category)


@pytest.mark.parametrize("language", OTHERS)
def test_every_translation_names_its_source(language, read):
    assert [each.context for each in read[language] if each.id and not each.user_comments] == []


def test_english_names_the_source_of_each_group():
    assert table().about.keys() == table().messages.keys()
    assert all(text.strip() for text in table().about.values())


def test_a_language_is_reviewed_when_nothing_in_it_is_marked(read):
    for language in OTHERS:
        assert is_reviewed(language) is not any(each.fuzzy for each in read[language] if each.id)
    assert is_reviewed("en")
    assert not is_reviewed("xx")


def test_the_files_are_what_the_tool_writes():
    assert (catalogues.FOLDER / catalogues.TEMPLATE).read_bytes() == catalogues.written(
        catalogues.template(), ""
    )
    for language in ("fr", "sl"):
        file = catalogues.FOLDER / f"{language}.po"
        old = catalogues._old(file, language)
        assert catalogues.written(catalogues.updated(language, old), language) == file.read_bytes()


def test_a_message_whose_english_changed_is_to_be_reviewed_again():
    old = catalogues.updated("fr", None)
    changed = next(each for each in old if each.context == "phrase.yes")
    changed.id, changed.string, changed.flags = "yeah", "oui", set()
    found = next(each for each in catalogues.updated("fr", old) if each.context == "phrase.yes")
    assert (found.string, found.fuzzy) == ("oui", True)


@pytest.mark.parametrize(
    ("language", "number", "told"),
    [
        ("pl", "1", "co 1 dzień"),
        ("pl", "3", "co 3 dni"),
        ("en", "1", "every 1 day"),
        ("en", "1.5", "every 1.5 days"),
        ("en", "2 to 3", "every 2 to 3 days"),
        ("fr", "1,5", "tous les 1,5 jour"),
    ],
)
def test_a_phrase_that_counts_takes_the_form_of_its_number(language, number, told):
    assert say_number("every-d", language, number).text == told


def test_every_section_and_every_code_of_our_own_has_words():
    assert set(sections()) <= {key.removeprefix("section.") for key in messages()}
    assert all(key in messages() for key in displays().same.values())
    assert isinstance(messages()["unit.tablet"], Counted)


@pytest.mark.parametrize("language", ["xx", "und", ""])
def test_a_language_that_is_none_of_ours_reads_english(language):
    assert say("yes", language).text == "yes"


def test_every_professional_is_told_in_the_same_words_that_the_citizen_may_have_limited_it():
    """The tag of a Bundle, the portal's page and a composed document, in each language that they have."""
    assert say("word.filtered", "en").text == LIMITED
    for language in OF_THE_PORTAL:
        assert phrase("restricted", language) == say("word.filtered", language).text
