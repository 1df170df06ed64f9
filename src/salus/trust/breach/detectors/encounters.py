"""Patients without any encounter or appointment at the time."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of


def _count(day: Day) -> Counted:
    return Counted(patients_of(day.absent), patients_of(day.opened), day.absent)


DETECTOR = Detector(
    name="encounters",
    waits=True,
    seasonal=True,
    sentence=(
        "opened {count} of {exposure} patients who had no encounter at the time"
        ", where about {expected} would be usual"
    ),
    count=_count,
)
