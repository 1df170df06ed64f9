"""The page of a document: no source becomes markup, nothing is fetched, screen readers are served."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from importlib import resources

import pytest
from lxml import html
from markupsafe import escape
from tests.unit.primary.reading.documents import ATTACK, BY_CATEGORY, SUMMARY, changed_everywhere

from salus.primary.reading.document import read_document
from salus.primary.reading.html import content, page, style_sheet, trend

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def shown(document=SUMMARY, language="en"):
    return page(read_document(document, language, NOW))


@pytest.mark.parametrize("category", BY_CATEGORY)
def test_no_text_of_a_source_becomes_markup(category):
    tree = html.fromstring(shown(changed_everywhere(BY_CATEGORY[category], ATTACK)))
    assert tree.xpath("//script | //iframe | //object | //form | //img | //link") == []
    assert tree.xpath("//@*[starts-with(name(), 'on')] | //@style | //@src") == []
    assert "<script>alert(1)</script>" in tree.text_content()


def test_nothing_is_fetched_and_the_policy_names_the_one_style_sheet():
    text = shown()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    digest = base64.b64encode(hashlib.sha256(style_sheet().encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1] == style_sheet()
    assert not re.search(r"url\(|@import|https?:", style_sheet())
    assert [link for link in re.findall(r'href="([^"]+)"', text) if not link.startswith("#")] == []


@pytest.mark.parametrize("category", BY_CATEGORY)
@pytest.mark.parametrize("language", ["en", "mt"])
def test_a_page_is_in_order_for_those_who_hear_it(category, language):
    tree = html.fromstring(shown(BY_CATEGORY[category], language))
    assert tree.get("lang") == language
    levels = [int(each.tag[1]) for each in tree.xpath("//h1 | //h2 | //h3 | //h4 | //h5 | //h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in tree.xpath("//a/@href")} <= set(ids)
    assert set(tree.xpath("//@aria-labelledby")) <= set(ids)
    for table in tree.xpath("//table[@aria-labelledby]"):
        assert table.xpath("./thead//th[@scope='col']")
        assert len(table.xpath("./tbody/tr")) == len(table.xpath("./tbody/tr/th[@scope='row']"))


def test_words_of_the_source_name_their_language():
    assert '<i lang="el">κρέμα</i>' in shown(BY_CATEGORY["electronic-prescription"] | {"language": "el"})


@pytest.mark.parametrize("language", ["fr", "el", "hr"])
def test_wording_that_nobody_has_reviewed_is_marked_once(language):
    from salus.primary.language import say

    assert shown(language=language).count(str(escape(say("unreviewed", language).text))) == 1


def test_english_is_the_source_and_not_marked():
    assert "has reviewed the wording" not in shown()


def test_the_colours_are_those_of_the_portal_whose_contrast_is_tested():
    portal = resources.files("salus.web.portal").joinpath("static/portal.css").read_text()
    of = [re.findall(r"--([\w-]+): (#[0-9a-f]{6})", sheet) for sheet in (style_sheet(), portal)]
    assert set(of[0]) < set(of[1])


def test_a_trend_is_drawn_of_three_values_with_its_range():
    entries = next(s for s in read_document(SUMMARY, "en", NOW).sections if s.key == "results").entries
    drawn = trend(next(entry for entry in entries if entry.earlier))
    assert drawn.count("<circle") == 3
    assert 'class="band"' in drawn
    assert trend(entries[-1]) == ""


def test_the_portal_has_its_own_title():
    assert "<h1" not in content(read_document(SUMMARY, "en", NOW))
