"""Helping more people at a desk in a day than can come to it (EHDS, Art. 4(4))."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of
from salus.trust.breach.thresholds import thresholds


def _count(day: Day) -> Counted:
    helped = [each for each in day.sightings if each.assisted]
    beyond = max(patients_of(helped) - thresholds().assisted_usual_per_day, 0)
    return Counted(beyond, 1.0, helped if beyond else [])


DETECTOR = Detector(
    name="desks",
    waits=False,
    seasonal=False,
    sentence="opened at a desk in a day the records of {count} people beyond those who can come to it, "
    "where about {expected} would be usual",
    count=_count,
)
