"""What WCAG 2.2 AA asks of every page and can be read from templates and style sheet."""

import re
from importlib import resources
from itertools import pairwise

import pytest

PORTAL = resources.files("salus.web.portal")
TEMPLATES = {
    file.name: file.read_text()
    for file in PORTAL.joinpath("templates").iterdir()
    if file.name.endswith(".html")
}
CSS = PORTAL.joinpath("static/portal.css").read_text()
TEXT, MARK = 4.5, 3.0  # least contrast of text (1.4.3) and of what shows a state (1.4.11)
COLOURS = {
    "ink": TEXT,
    "ink-soft": TEXT,
    "accent": TEXT,
    "good": TEXT,
    "bad": TEXT,
    "warn": TEXT,
    "focus": MARK,
}


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_colour_stands_out_from_both_papers(scheme):
    block = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    for name, least in COLOURS.items():
        for paper in ("paper", "paper-soft"):
            assert contrast(colours[name], colours[paper]) >= least, (name, paper)
    assert contrast(colours["accent-ink"], colours["accent"]) >= TEXT


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_tables_have_headers_and_a_name_and_fields_have_labels(name):
    text = TEMPLATES[name]
    assert all("scope=" in cell for cell in re.findall(r"<th\b[^>]*>", text))
    for table in re.findall(r"<table\b.*?</table>", text, re.DOTALL):
        assert "<caption>" in table or "aria-labelledby" in table.split(">")[0]
        assert 'scope="row"' in table or "entry_row(" in table
    for field in re.findall(r"<(?:input|select)\b[^>]*>", text):
        if 'type="hidden"' in field:
            continue
        own = re.search(r'id="([^"]+)"', field)
        inside = re.search(r"<label[^>]*>\s*" + re.escape(field), text)
        assert inside or (own and f'for="{own[1]}"' in text), field


@pytest.mark.parametrize("name", sorted(set(TEMPLATES) - {"layout.html", "macros.html"}))
def test_a_page_has_one_first_heading_and_leaves_out_no_level(name):
    levels = [int(level) for level in re.findall(r"<h([1-6])\b", TEMPLATES[name])]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_says_its_language():
    assert re.search(r'<html lang="[^"]+">', TEMPLATES["layout.html"])


def test_on_a_phone_a_row_is_a_block_and_its_cells_say_what_they_are():
    narrow = CSS.split("@media (max-width: 48rem) {")[1].split("\n}\n")[0]
    assert re.search(r"\.wide tr, \.wide th, \.wide td, [^{]*\{ display: block;", narrow)
    assert "content: attr(data-label)" in narrow
    for name in ("accesses.html", "accounts.html", "category.html", "documents.html"):
        body = re.search(r"<tbody>(.*?)</tbody>", TEMPLATES[name], re.DOTALL)[1]
        assert "<td" in body
        assert "<td>" not in body, name


def test_what_is_written_in_or_chosen_is_large_enough_to_hit_and_no_word_makes_a_page_wider():
    assert 'input[type="number"]' in CSS
    assert re.search(r'input\[type="radio"\][^{]*\{ width: 24px; height: 24px;', CSS)
    assert "nowrap" not in re.search(r"\.word \{([^}]*)\}", CSS)[1]


@pytest.mark.parametrize("name", sorted(set(TEMPLATES) - {"layout.html"}))
def test_no_field_has_the_name_of_the_main_part_of_the_page(name):
    assert 'id="content"' not in TEMPLATES[name]
