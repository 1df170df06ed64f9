import pytest

from salus.primary.documents.registry import kinds
from salus.primary.wording.catalogue import LANGUAGES, text


@pytest.mark.parametrize("name", sorted(kinds()))
def test_every_kind_of_document_has_a_title_in_every_language(name):
    assert all(text(kinds()[name].title, language) for language in LANGUAGES)
