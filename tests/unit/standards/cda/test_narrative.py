"""The narrative block as XHTML that R4 allows (txt-1), and back into StrucDoc."""

# ruff: noqa: E501  (tables of XML and what becomes of it, a case a line)

import pytest
from lxml import etree

from salus.core.limits import Limits
from salus.standards.cda.conversion import Conversion
from salus.standards.cda.narrative import narrative
from salus.standards.cda.tree import read_document
from salus.standards.cda.writing.elements import put
from salus.standards.cda.writing.header import root_element
from salus.standards.cda.writing.narrative import Block
from salus.standards.fhir.validation.validator import validate


def xhtml(text):
    body = f'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2"/><text>{text}</text></ClinicalDocument>'
    root = read_document(body.encode(), Limits())
    return narrative(root.children[-1], Conversion(root))


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("<paragraph>a &lt; b</paragraph>", "<p>a &lt; b</p>"),
        ('<content ID="x1" styleCode="Bold Italics">a</content>', '<span id="x1"><b><i>a</i></b></span>'),
        ("<list><caption>C</caption><item>1</item></list>", "<p>C</p><ul><li>1</li></ul>"),
        ('<list listType="ordered"><item>1</item></list>', "<ol><li>1</li></ol>"),
        ("<table><tbody><tr><td colspan='2'>1</td></tr></tbody></table>", '<table><tbody><tr><td colspan="2">1</td></tr></tbody></table>'),
        ('<linkHtml href="https://a.example/x">a</linkHtml>', '<a href="https://a.example/x">a</a>'),
        ('<linkHtml href="javascript:alert(1)">a</linkHtml>', "<a>a</a>"),
        ('<content ID="a">1</content><content ID="a">2</content>', '<span id="a">1</span><span>2</span>'),
        ("<script>alert(1)</script>", "alert(1)"),
        ("<content onclick='x' style='background:url(http://x)'>a</content>", "<span>a</span>"),
        ('<content revised="delete">a</content>', "<span><s>a</s></span>"),
    ],
)  # fmt: skip
def test_what_may_stand_in_a_narrative_does_and_nothing_else(text, inside):
    found = xhtml(text)
    assert found == {
        "status": "additional",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div>',
    }
    basic = {"resourceType": "Basic", "code": {"text": "x"}, "text": found}
    assert [issue for issue in validate(basic) if issue.severity == "error"] == []


def test_a_section_without_words_says_so():
    assert xhtml("<paragraph> </paragraph>")["status"] == "empty"


def written(division):
    root = root_element()
    block = Block(put(root, "section"), "s1-")
    block.write(f'<div xmlns="http://www.w3.org/1999/xhtml">{division}</div>')
    text = etree.tostring(block.text, encoding="unicode")
    return block, text[text.index(">") + 1 : text.rindex("</")]


@pytest.mark.parametrize(
    ("division", "inside"),
    [
        ("<p>a&nbsp;b</p>", "<paragraph>a\u00a0b</paragraph>"),
        ("<table><tr><th>H</th></tr></table>", "<table><tbody><tr><th>H</th></tr></tbody></table>"),
        ("<h2>T</h2>", '<paragraph><content styleCode="Bold">T</content></paragraph>'),
        ("<div><ul><li>a<p>b</p></li></ul></div>", "<list><item>a<paragraph>b</paragraph></item></list>"),
        ("<p>a<br/><b>c</b></p>", '<paragraph>a<br/><content styleCode="Bold">c</content></paragraph>'),
    ],
)
def test_xhtml_becomes_a_narrative_block(division, inside):
    assert written(division)[1] == inside


def test_words_of_entries_are_in_the_narrative_once():
    block, _ = written("<p>a</p>")
    assert [block.reference(words) for words in ("x", "y", "x")] == ["#s1-1", "#s1-2", "#s1-1"]
