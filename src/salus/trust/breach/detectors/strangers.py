"""Patients whom nobody of the person's colleagues treats, and in whose record nothing was written."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of


def _count(day: Day) -> Counted:
    return Counted(patients_of(day.strangers), patients_of(day.opened), day.strangers)


DETECTOR = Detector(
    name="strangers",
    waits=True,
    seasonal=True,
    sentence=(
        "opened {count} of {exposure} patients whom no colleague of theirs treats"
        ", where about {expected} would be usual"
    ),
    count=_count,
)
