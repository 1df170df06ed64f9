"""Looking up one id after the other."""

from __future__ import annotations

import re
from itertools import pairwise

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, Sighting

_DIGITS = re.compile(r"[0-9]{1,18}$")
_STEP_MAX = 3
"""Ids that are free or were tried before may lie between."""


def _count(day: Day) -> Counted:
    steps = [
        after
        for before, after in pairwise(day.sightings)
        if 0 < _number(after) - _number(before) <= _STEP_MAX
    ]
    return Counted(len(steps), max(len(day.sightings) - 1, 0), steps)


def _number(sighting: Sighting) -> int:
    """Return the digits at the end of the id, 0 without any."""
    found = _DIGITS.search(sighting.patient)
    return int(found[0]) if found else 0


DETECTOR = Detector(
    name="enumeration",
    waits=False,
    seasonal=True,
    sentence=(
        "looked up {count} times the very next id, in {exposure} look-ups"
        ", where about {expected} would be usual"
    ),
    count=_count,
)
