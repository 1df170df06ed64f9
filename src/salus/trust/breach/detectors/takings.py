"""Taking along whole records at a desk, as archives or links, for more people than ask for it in a day."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of
from salus.trust.breach.thresholds import thresholds


def _count(day: Day) -> Counted:
    taken = [each for each in day.sightings if each.took]
    beyond = max(patients_of(taken) - thresholds().taken_usual_per_day, 0)
    return Counted(beyond, 1.0, taken if beyond else [])


DETECTOR = Detector(
    name="takings",
    waits=False,
    seasonal=False,
    sentence="took along at a desk in a day the whole records of {count} people beyond the few who ask for "
    "it, where about {expected} would be usual",
    count=_count,
)
