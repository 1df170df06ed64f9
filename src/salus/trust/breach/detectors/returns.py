"""Coming back on other days to a record without a reason: what one does to people one knows."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of


def _count(day: Day) -> Counted:
    return Counted(patients_of(day.returned), 1.0, day.returned)


DETECTOR = Detector(
    name="returns",
    waits=True,
    seasonal=True,
    sentence=(
        "came back {count} times to records without a reason that the ledger shows"
        ", where about {expected} would be usual"
    ),
    count=_count,
)
