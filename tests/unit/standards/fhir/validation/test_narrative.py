"""Narratives are harmless XHTML (R4 txt-1, txt-2)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.standards.fhir.validation.narrative import problems


def div(content):
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{content}</div>'


@pytest.mark.parametrize(
    "content",
    [
        "text",
        "<p>Good <b>day</b></p>",
        "<!-- note --><p>a</p>",
        '<table class="grid" style="width: 100%"><tr><td colspan="2">a</td></tr></table>',
        '<a href="Patient/1">a</a><a name="x">b</a><a href="#x">c</a><a href="mailto:a@example.org">d</a>',
        '<img src="data:image/png;base64,AA==" alt="a"/>',
        '<p style="background-image: url(dots.png)">a</p>',
        '<p style="background-image: url(data:image/png;base64,AA==)">a</p>',
        '<p xml:lang="de" lang="de">a</p>',
        "a &amp; b &lt; c &#160;",
        "a &lt; b",
        '<p style="position: relative; background-position: top left">a</p>',
    ],
)
def test_formatting_is_taken(content):
    assert problems(div(content)) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (div("<script>alert(1)</script>"), "txt-1"),
        (div("<style>p {}</style>a"), "txt-1"),
        (div("<iframe src='http://a.example'></iframe>a"), "txt-1"),
        (div("<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"), "txt-1"),
        (div("<form action='x'>a</form>"), "txt-1"),
        (div("<p onclick='x()'>a</p>"), "txt-1"),
        (div("<p ONCLICK='x()'>a</p>"), "txt-1"),
        (div("<a href='javascript:x()'>a</a>"), "txt-1"),
        (div("<a href=' java&#9;script:x()'>a</a>"), "txt-1"),
        (div("<a href='JAVASCRIPT:x()'>a</a>"), "txt-1"),
        (div("<a href='vbscript:x'>a</a>"), "txt-1"),
        (div("<a href='data:text/html,x'>a</a>"), "txt-1"),
        (div("<img src='data:text/html,x'/>"), "txt-1"),
        (div("<p style='background:url(http://evil.example/x)'>a</p>"), "txt-1"),
        (div("<p style='background:url(//evil.example/x)'>a</p>"), "txt-1"),
        (div("<p style='background:u\\72l(x)'>a</p>"), "txt-1"),
        (div("<p style='width: expression(1)'>a</p>"), "txt-1"),
        (div("<P>a</P>"), "txt-1"),
        (div("a &nbsp; b"), "txt-1"),
        (div("<p>unclosed"), "txt-1"),
        ("<div>no namespace</div>", "txt-1"),
        ("plain", "txt-1"),
        ("", "txt-1"),
        ('<!DOCTYPE div [<!ENTITY a "b">]>' + div("&a;"), "txt-1"),
        (div("<?php x ?>a"), "txt-1"),
        (div(""), "txt-2"),
        (div("<p> </p>"), "txt-2"),
        (div("<!-- a -->"), "txt-2"),
        (div("<![CDATA[a]]>"), "txt-1"),
        (div("<![CDATA[><script>alert(1)</script>]]>a"), "txt-1"),
        (div("<!--><img src=x onerror=alert(1)>-->a"), "txt-1"),
        (div("<!--x--><!-- <b> -->a"), "txt-1"),
        (div("<img src='data:image/svg+xml;base64,AA=='/>"), "txt-1"),
        (div("<img src=' DATA:image/svg+xml,x'/>"), "txt-1"),
        (div("<p style='background:image(\"x\")'>a</p>"), "txt-1"),
        (div('<p style=\'background:cross-fade("x", "y")\'>a</p>'), "txt-1"),
        (div("<p style='position:fixed;top:0'>a</p>"), "txt-1"),
        (div("<p style='POSITION : var(--x, fixed)'>a</p>"), "txt-1"),
        (div("<p style='b\\65haviour:x'>a</p>"), "txt-1"),
        (div("<p style='@import x'>a</p>"), "txt-1"),
    ],
)
def test_what_runs_loads_or_shows_nothing_is_refused(text, rule):
    assert problems(text)[0][0] == rule


def test_what_was_harmless_before_hides_nothing_now():
    assert problems(div('<p title="a>b" class="c">x</p>')) == []
    assert problems(div('<p title="a">x</p>')) == []
    assert problems(div('<p title="a>" onclick="x()">x</p>')) != []
    assert (
        problems(div('<p title="a"><svg xmlns="http://www.w3.org/2000/svg"><p title="a">x</p></svg></p>'))
        != []
    )
    assert problems(div('<p title="a"> &#160; </p>')) != []
    assert problems('<div xmlns="http://www.w3.org/2000/svg"><p title="a">x</p></div>') != []


@pytest.mark.parametrize(
    "inside",
    [
        *("<p>x", "x</p>", "<p><b>x</p></b>", "<p>x</p></div><div>y", "</p><p>x", "<p>&nbsp;</p>x"),
        *("<p>x</p>\x01", "<p>x & y</p>", "<p>x</P>"),
    ],
)
def test_harmless_tags_that_are_not_nested_are_refused(inside):
    assert problems(div("<p><b>x</b></p><br/><p>y</p>")) == []
    assert [rule for rule, _ in problems(div(inside))] == ["txt-1"]


EVIL = '<iframe src="https://evil.example/"></iframe><script>alert(1)</script><p onclick="x()">a</p>'


@pytest.mark.parametrize("cover", ["<![CDATA[{}]]>x", "<!--{}-->x", "<?x {}?>x", "<!-- a --><![CDATA[{}]]>x"])
def test_no_narrative_teaches_that_evil_tags_are_harmless(cover):
    problems(div(cover.format(EVIL)))
    assert [rule for rule, _ in problems(div(EVIL))] == ["txt-1"] * 3


@settings(max_examples=200, deadline=None)
@given(
    covers=st.lists(
        st.sampled_from(
            ["<![CDATA[", "]]>", "<!--", "-->", "<?a ", "?>", EVIL, "<b>", "</b>", "x", "<b title='"]
        ),
        max_size=8,
    )
)
def test_whatever_came_before_evil_tags_stay_evil(covers):
    problems(div("".join(covers)))
    assert problems(div(EVIL)) != []
