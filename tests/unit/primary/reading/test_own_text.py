"""A narrative shown on a page holds what the allow list names and nothing else."""

import pytest

from salus.primary.reading.own_text import html_of, is_unreadable, own_text, plain

NAMESPACE = 'xmlns="http://www.w3.org/1999/xhtml"'


def shown_html(div):
    """Return the blocks of a narrative one after the other."""
    return "".join(html_of(block.root) for block in own_text({"status": "generated", "div": div}))


@pytest.mark.parametrize(
    ("inside", "shown"),
    [
        ("<p>Asthma &amp; more</p>", "<p>Asthma &amp; more</p>"),
        ("<table><tr><td colspan='2'>x</td></tr></table>", '<table><tr><td colspan="2">x</td></tr></table>'),
        ("<p onclick='steal()'>x</p>", "<p>x</p>"),
        ("<script>steal()</script>after", "after"),
        ("<style>p{}</style><p style='position:fixed'>x</p>", "<p>x</p>"),
        ("<a href='javascript:steal()'>x</a>", "<a>x</a>"),
        ("<img src='http://spy.example/x.png' alt='a &lt;scan&gt;'/>", "a &lt;scan&gt;"),
        ("<form action='/logout'><p>x</p></form>", "<p>x</p>"),
        ("<h1>Title</h1>", "<h4>Title</h4>"),
        ("one<br/>two<!-- hidden -->", "one<br>two"),
        ("<svg><desc>&lt;b&gt;</desc></svg>", "&lt;b&gt;"),
    ],
)
def test_only_what_is_allowed_survives(inside, shown):
    assert shown_html(f"<div {NAMESPACE}>{inside}</div>") == f"<div>{shown}</div>"


@pytest.mark.parametrize("broken", ["", "<div>", "<div>&undefined;</div>", "<div><p></div></p>"])
def test_what_cannot_be_read_is_not_shown(broken):
    assert shown_html(broken) == ""


def test_an_external_entity_is_not_fetched():
    doctype = '<!DOCTYPE div [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    assert "root" not in shown_html(f"{doctype}<div {NAMESPACE}>&x;</div>")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1&nbsp;mg", "1\u00a0mg"),
        ("&auml;&eacute;", "äé"),
        ("5 &le; 6 &amp; 7", "5 ≤ 6 &amp; 7"),
        ("&lt;b&gt;", "&lt;b&gt;"),
    ],
)
def test_entities_of_html_are_characters(written, shown):
    """R4 narrative: "the content of the div may use the entities of HTML"."""
    assert shown_html(f"<div {NAMESPACE}>{written}</div>") == f"<div>{shown}</div>"


def test_a_character_that_no_xml_may_hold_takes_no_text_away():
    assert shown_html(f"<div {NAMESPACE}>a\x07b</div>") == "<div>ab</div>"


def test_text_nested_deeper_than_any_page_bears_is_laid_flat_and_not_lost():
    nested = "<div>" * 80 + "<p>deep</p>" + "</div>" * 80
    assert shown_html(f"<div {NAMESPACE}>{nested}</div>").count("deep") == 1


@pytest.mark.parametrize("div", ["<div>", "<div><p></div></p>", f"<div>{'<b/>' * 20_001}</div>"])
def test_a_text_that_cannot_be_shown_is_known_to_be_there(div):
    assert is_unreadable({"div": div})
    assert own_text({"div": div}) == []


@pytest.mark.parametrize("narrative", [None, {}, {"div": ""}, {"div": "<div/>"}, {"div": "<div>x</div>"}])
def test_a_text_that_can_be_shown_or_is_not_there_is_not_called_unreadable(narrative):
    assert not is_unreadable(narrative)


def test_an_element_that_is_not_allowed_leaves_its_text_apart():
    (block,) = own_text({"div": f"<div {NAMESPACE}><p>one</p><font>two</font></div>"})
    assert plain(block.root).split() == ["one", "two"]


@pytest.mark.parametrize("narrative", [None, {}, [], "text", {"div": 5}, {"div": None}])
def test_what_is_no_narrative_has_no_text(narrative):
    assert own_text(narrative) == []
