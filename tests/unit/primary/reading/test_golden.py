"""Documents of the six categories, line by line as they were looked at (as pages, phones and prints).

A file of `golden/` is what somebody read and found right; `python -m tests.unit.primary.reading.test_golden`
writes them anew, to be read again.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.primary.reading.documents import BY_CATEGORY

from salus.primary.reading.document import read_document
from salus.primary.reading.html import page
from salus.primary.reading.text import plain_text

FOLDER = Path(__file__).with_name("golden")
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CASES = [(category, "en") for category in BY_CATEGORY]
CASES += [("patient-summary", "el"), ("medical-test-results", "de"), ("electronic-prescription", "pl")]


@pytest.mark.parametrize(("category", "language"), CASES)
def test_a_document_reads_as_it_was_looked_at(category, language):
    reading = read_document(BY_CATEGORY[category], language, NOW)
    assert reading.category == category
    assert plain_text(reading) == FOLDER.joinpath(f"{category}.{language}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("category", BY_CATEGORY)
def test_the_page_has_the_headings_of_the_text_in_their_order(category):
    reading = read_document(BY_CATEGORY[category], "en", NOW)
    named = re.findall(r"^#+ (.*)$", plain_text(reading), flags=re.MULTILINE)
    shown = re.findall(r"<h[2-6][^>]*>(.*?)</h[2-6]>", page(reading))
    assert [each for each in shown if each in named] == named


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for category, language in CASES:
        shown = plain_text(read_document(BY_CATEGORY[category], language, NOW))
        FOLDER.joinpath(f"{category}.{language}.txt").write_text(shown, encoding="utf-8")
