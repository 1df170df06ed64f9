"""Looking for people who are not there: somebody walks through names, dates or numbers."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day
from salus.trust.breach.thresholds import thresholds


def _count(day: Day) -> Counted:
    missed = [each for each in day.sightings if each.missed]
    beyond = max(sum(each.times for each in missed) - thresholds().misses_usual_per_day, 0)
    return Counted(beyond, 1.0, missed if beyond else [])


DETECTOR = Detector(
    name="misses",
    waits=False,
    seasonal=False,
    sentence="looked in a day {count} times for people who are not there, beyond a few that anybody "
    "mistypes, where about {expected} would be usual",
    count=_count,
)
