"""A node abroad that opens more patients in emergencies in a day than it, or the others, ever do.

Whom it names as the professional is its own word: somebody new for each patient is unusual nowhere else.
"""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of


def _count(day: Day) -> Counted:
    if not day.is_of_a_node:
        return Counted(0, 0.0, [])
    rescued = [each for each in day.opened if each.emergency]
    return Counted(patients_of(rescued), 1.0, rescued)


DETECTOR = Detector(
    name="rescues",
    waits=False,
    seasonal=False,
    sentence="opened {count} patients in emergencies in a day, where about {expected} would be usual",
    count=_count,
)
