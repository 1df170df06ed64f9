"""Reading the log as a whole, page by page, more than the auditor or operator, or a collector, ever does."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day


def _count(day: Day) -> Counted:
    read = [each for each in day.sightings if each.audit and each.found and not each.patient]
    return Counted(sum(each.times for each in read), 1.0, read)


DETECTOR = Detector(
    name="harvest",
    waits=False,
    seasonal=False,
    sentence="read {count} pages of the whole access log in a day, where about {expected} would be usual",
    count=_count,
)
