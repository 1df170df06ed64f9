"""What narratives showed before never changes what is found now."""

from hypothesis import given
from hypothesis import strategies as st

from salus.standards.fhir.validation.narrative import _harmless_tags, problems

PLAIN = ["<p>", "</p>", '<p class="a">', "<b>", "</b>", "<br/>", "text", " ", "&#160;", "&lt;", ">"]
TRICKY = ["<!-- x -->", '<p title="a>', '" onclick="x()">', "<p title='a>", "' onclick='x()'>"]
FOREIGN = ["<![CDATA[a]]>", '<svg xmlns="s">', "</svg>"]
HARMFUL = ["<script>", "</script>", '<a href="javascript:x">', "</a>"]
PIECE = st.sampled_from([*PLAIN, *TRICKY, *FOREIGN, *HARMFUL, '<img src="x.png"/>'])
NARRATIVE = st.lists(PIECE, max_size=6).map(
    lambda pieces: f'<div xmlns="http://www.w3.org/1999/xhtml">{"".join(pieces)}</div>'
)


@given(st.lists(NARRATIVE, min_size=1, max_size=3))
def test_the_order_of_narratives_does_not_matter(narratives):
    fresh = []
    for text in narratives:
        _harmless_tags().clear()
        fresh.append(problems(text))
    assert [problems(text) for text in narratives] == fresh
    assert [problems(text) for text in narratives] == fresh
