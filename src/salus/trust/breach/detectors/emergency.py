"""Emergency access (purpose ETREAT) that no care, colleague or second look followed."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of


def _count(day: Day) -> Counted:
    return Counted(patients_of(day.uncovered), patients_of(day.opened), day.uncovered)


DETECTOR = Detector(
    name="emergency",
    waits=True,
    seasonal=True,
    sentence=(
        "broke the glass {count} times without any care or review that followed"
        ", where about {expected} would be usual"
    ),
    count=_count,
)
