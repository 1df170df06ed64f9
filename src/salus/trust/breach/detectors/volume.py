"""More patients in a day than the person, or the peers, ever open."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of


def _count(day: Day) -> Counted:
    return Counted(patients_of(day.opened), 1.0, day.opened)


DETECTOR = Detector(
    name="volume",
    waits=False,
    seasonal=False,
    sentence="opened {count} patients in a day, where about {expected} would be usual",
    count=_count,
)
