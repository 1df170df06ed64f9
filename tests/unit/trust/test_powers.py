"""When a child is of an age, by the birth date in its Patient."""

from datetime import UTC, datetime

import msgspec
import pytest

from salus.trust.powers import of_age


@pytest.mark.clause("EHDS 4(2)")
@pytest.mark.parametrize(
    ("born", "years", "grown"),
    [
        ("2010-12-01", 18, datetime(2028, 12, 1, tzinfo=UTC)),
        ("2008-02-29", 16, datetime(2024, 2, 29, tzinfo=UTC)),
        ("2008-02-29", 18, datetime(2026, 3, 1, tzinfo=UTC)),
        ("2010-12", 18, None),
        ("2010", 18, None),
        ("", 18, None),
        ("unknown", 18, None),
        ("9990-01-01", 18, None),
        ("9984-02-29", 18, None),
    ],
)
def test_a_child_is_of_an_age_from_the_beginning_of_a_day(born, years, grown):
    assert of_age(msgspec.json.encode({"resourceType": "Patient", "birthDate": born}), years) == grown
