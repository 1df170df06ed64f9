"""Strangers' records at hours that are rare for the person, or apart from the day's work."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day


def _count(day: Day) -> Counted:
    strangers = {each.leaf for each in day.strangers}
    found = [each for each in day.odd if each.leaf in strangers]
    return Counted(1.0 if found else 0.0, 1.0, found)


DETECTOR = Detector(
    name="moonlight",
    waits=True,
    seasonal=True,
    sentence=(
        "opened strangers' records on {count} days at hours that are rare for them"
        ", where about {expected} would be usual"
    ),
    count=_count,
)
