"""Moments at the ends of the calendar: the year 1 and the year 9999, in time zones that lead beyond."""

import pytest

from salus.core.access import Purpose, Role

FIRST, LAST = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"


@pytest.mark.parametrize("moment", [FIRST, LAST, "9999-12", "0001-01", "9999-12-31", "9999"])
async def test_a_moment_at_the_end_of_the_calendar_is_stored_and_found(door, moment):
    patient = await door("POST", "/Patient", {"resourceType": "Patient", "name": [{"family": "Tamm"}]})
    sent = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "a"},
        "subject": {"reference": f"Patient/{patient.json()['id']}"},
        "effectiveDateTime": moment,
    }
    answer = await door("POST", "/Observation", sent)
    assert answer.status_code == 201, answer.text
    quoted = moment.replace("+", "%2B")
    for test in (quoted, f"ge{quoted}", f"le{quoted}", f"ap{quoted}"):
        found = await door("GET", f"/Observation?date={test}&_sort=-date")
        assert [entry["resource"]["id"] for entry in found.json()["entry"]] == [answer.json()["id"]], test


async def test_moments_outside_of_the_calendar_are_refused_in_requests(door):
    for address in ("/_history?_since={}", "/$export?_since={}", "/Patient/a/$everything?_since={}"):
        for moment in ("0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59"):
            path = address.format(moment)
            answer = await door("GET", path, role=Role.OPERATOR, purpose=Purpose.OPERATIONS)
            assert answer.status_code < 500, (path, answer.text)
