"""Days with accesses at hours that are rare for the person and their peers."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day


def _count(day: Day) -> Counted:
    return Counted(1.0 if day.odd else 0.0, 1.0, day.odd)


DETECTOR = Detector(
    name="hours",
    waits=True,
    seasonal=True,
    sentence=(
        "worked on {count} days at hours that are rare for them and their peers"
        ", where about {expected} would be usual"
    ),
    count=_count,
)
