"""Bursts of refusals: failed tokens, guessed ids, records that may not be opened. The fullest hour counts."""

from __future__ import annotations

from collections import Counter

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day


def _count(day: Day) -> Counted:
    by_hour: Counter[int] = Counter()
    refused = [each for each in day.sightings if each.is_refused]
    for each in refused:
        by_hour[each.hour] += each.times
    return Counted(max(by_hour.values(), default=0), 1.0, refused)


DETECTOR = Detector(
    name="failures",
    waits=False,
    seasonal=False,
    sentence="was refused {count} times within an hour, where about {expected} would be usual",
    count=_count,
)
