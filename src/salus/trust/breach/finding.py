"""What the detectors say: about whom, what, why it is unusual, and the leaves that show it."""

from __future__ import annotations

from datetime import date

import msgspec


class Reason(msgspec.Struct, frozen=True):
    """One thing that is unusual.

    Args:
        detector: its name.
        sentence: what was done and what would be usual, for people.
        count: how often it was done.
        expected: how often peers would have done it.
        score: decimal logarithm of the e-value: 3 is a thousand times likelier of somebody who does it often.
        leaves: indexes in the log of the newest leaves that show it.
    """

    detector: str
    sentence: str
    count: float
    expected: float
    score: float
    leaves: tuple[int, ...]


class Finding(msgspec.Struct, frozen=True):
    """Something about one person that the auditor should look at.

    Args:
        subject, name, role, unit: who; subject "" for callers who could not say who they are.
        day: until when the leaves were looked at.
        score: decimal logarithm of the e-value over all detectors.
        reasons: the strongest first; never empty.
    """

    subject: str
    name: str
    role: str
    unit: str
    day: date
    score: float
    reasons: tuple[Reason, ...]

    @property
    def key(self) -> str:
        """Return what names the finding: the same leaves read again give it again."""
        return f"{self.subject}|{self.day.isoformat()}|{self.reasons[0].detector}"

    @property
    def sentence(self) -> str:
        """Return the finding in words."""
        who = self.name or self.subject or "Somebody unknown"
        where = f" ({', '.join(filter(None, (self.role, self.unit)))})" if self.role else ""
        return f"{who}{where} {'; '.join(reason.sentence for reason in self.reasons)}."
