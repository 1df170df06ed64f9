"""More people's access logs in a day than the auditor or operator, or their peers, ever open."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of


def _count(day: Day) -> Counted:
    looked = [each for each in day.sightings if each.audit and each.found]
    return Counted(patients_of(looked), 1.0, looked)


DETECTOR = Detector(
    name="logs",
    waits=False,
    seasonal=False,
    sentence="looked in a day who had opened the records of {count} people, "
    "where about {expected} would be usual",
    count=_count,
)
