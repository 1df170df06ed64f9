from datetime import date

import pytest

from salus.primary.documents.ahead import compose_ahead


@pytest.mark.parametrize("country", ["PT", "EE"])
def test_documents_of_nobody_are_composed_when_a_process_starts(country):
    assert compose_ahead(country, date(2026, 11, 30)) >= 3
