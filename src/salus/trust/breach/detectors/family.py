"""One's own record, the family's and the household's, whether or not there was a reason."""

from __future__ import annotations

from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.person import Day, patients_of


def _count(day: Day) -> Counted:
    found = [each for each in day.opened if each.patient in day.kin]
    return Counted(patients_of(found), patients_of(day.opened), found)


DETECTOR = Detector(
    name="family",
    waits=False,
    seasonal=True,
    sentence=(
        "opened {count} times their own record or one of their family, where about {expected} would be usual"
    ),
    count=_count,
)
