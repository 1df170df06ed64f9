"""Persons in the public eye, opened without treating them."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of


def _count(day: Day) -> Counted:
    found = [each for each in day.strangers if each.patient in day.protected]
    return Counted(patients_of(found), patients_of(day.opened), found)


DETECTOR = Detector(
    name="protected",
    waits=True,
    seasonal=True,
    sentence=(
        "opened {count} times a protected person's record without a reason that the ledger shows"
        ", where about {expected} would be usual"
    ),
    count=_count,
)
