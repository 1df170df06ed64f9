"""Many different ids in a day that are refused or not there, however slowly: somebody tries what exists."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of
from salus.trust.breach.thresholds import thresholds


def _count(day: Day) -> Counted:
    refused = [each for each in day.sightings if each.is_refused]
    beyond = max(patients_of(refused) - thresholds().guesses_usual_per_day, 0)
    return Counted(beyond, 1.0, refused if beyond else [])


DETECTOR = Detector(
    name="guesses",
    waits=False,
    seasonal=False,
    sentence="asked in a day for {count} different records that are refused or not there, beyond a few "
    "that anybody mistypes, where about {expected} would be usual",
    count=_count,
)
