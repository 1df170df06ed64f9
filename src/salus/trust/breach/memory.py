"""What the watch remembers: one value, to be kept and read back."""

from __future__ import annotations

import msgspec

from salus.trust.breach.company import Trail
from salus.trust.breach.person import Person


class Watch(msgspec.Struct):
    """What is remembered of the leaves so far.

    Args:
        today: the newest day, in days since 1970; -1 before the first leaf.
        people: by subject.
        trails: by patient.
        accesses: leaves seen.
        settled: accesses judged, fading.
        spent: false alarms that the findings so far may have been.
        honey: accesses to honey records.
        dispersion: variance over mean of a day's count, by detector.
    """

    today: int = -1
    people: dict[str, Person] = {}
    trails: dict[str, Trail] = {}
    accesses: int = 0
    settled: float = 0.0
    spent: float = 0.0
    honey: int = 0
    dispersion: dict[str, float] = {}
