"""Which results wait, and how long: pure."""

from datetime import UTC, datetime, timedelta

import pytest

from salus.trust.delays import veil_over_result
from salus.trust.jurisdictions.law import jurisdiction_of

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
DELAYS = jurisdiction_of("EE").delays


def until(resource, delays=DELAYS):
    veil = veil_over_result(resource, delays, NOW)
    return None if veil is None else datetime.fromtimestamp(veil.denials[0].ends, UTC)


def observation(code="laboratory", **more):
    return {"resourceType": "Observation", "category": [{"coding": [{"code": code}]}]} | more


@pytest.mark.parametrize(
    ("resource", "waits"),
    [
        (observation(), True),
        (observation("imaging"), True),
        (observation("vital-signs"), False),
        (observation() | {"resourceType": "Condition"}, False),
        ({"resourceType": "ImagingStudy"}, True),
        ({"resourceType": "DiagnosticReport", "category": [{"coding": [{"code": "CH"}]}]}, True),
        ({"resourceType": "DocumentReference", "type": {"coding": [{"code": "11502-2"}]}}, True),
        ({"resourceType": "DocumentReference", "type": {"coding": [{"code": "60591-5"}]}}, False),
        ({"resourceType": "Observation"}, False),
    ],
)
def test_what_waits_is_told_by_type_and_category(resource, waits):
    assert (until(resource) is not None) is waits
    assert until(resource, jurisdiction_of("PT").delays) is None


@pytest.mark.parametrize(
    ("issued", "ends"),
    [
        ("2026-05-04T11:30:00Z", NOW + timedelta(hours=120)),
        ("2026-05-02T11:30:00+02:00", NOW + timedelta(hours=70)),
        ("2020-01-01T00:00:00Z", None),
        ("2027-01-01T00:00:00Z", NOW + timedelta(hours=120)),
        ("soon", NOW + timedelta(hours=120)),
    ],
)
def test_it_waits_from_when_it_was_issued_at_most_from_now_to_the_full_hour(issued, ends):
    assert until(observation(issued=issued)) == ends
