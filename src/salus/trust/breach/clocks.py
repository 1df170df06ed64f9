"""The clocks of an incident (GDPR, Art. 33 and 34; NIS2, Art. 23): `clocks.toml`."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

Acting = Literal["controller", "processor"]


class Duty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table; its head says what the columns mean."""

    law: str
    to: str
    hours: int = 0
    months: int = 0
    after: str = ""
    acting: Acting | None = None
    when: Literal["always", "significant", "high-risk"] = "always"


class Clock(msgspec.Struct, frozen=True):
    """One duty of one incident.

    Args:
        notice: its short name.
        due_at: until when; None for "without undue delay".
        done_at: when the notice was sent, None while it was not.
    """

    notice: str
    law: str
    to: str
    due_at: datetime | None
    done_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return done, done late, late or open."""
        if self.done_at is not None:
            return "done late" if self.due_at is not None and self.done_at > self.due_at else "done"
        return "late" if self.due_at is not None and now > self.due_at else "open"


@cache
def duties() -> dict[str, Duty]:
    """Return the table, keyed by the notice's short name."""
    text = resources.files(__package__).joinpath("clocks.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, Duty])


def clocks(
    aware_at: datetime,
    sent: Mapping[str, datetime],
    *,
    acting: Acting,
    is_significant: bool,
    is_high_risk: bool,
) -> list[Clock]:
    """Return the clocks of an incident, in the table's order.

    Args:
        aware_at: when one became aware of it.
        sent: when each notice was sent first.
        acting: as what.
        is_significant: under NIS2, Art. 23(3).
        is_high_risk: for the people concerned.
    """
    asked = {"always": True, "significant": is_significant, "high-risk": is_high_risk}
    found: list[Clock] = []
    due: dict[str, datetime] = {}
    for notice, duty in duties().items():
        if not asked[duty.when] or duty.acting not in (None, acting):
            continue
        begins = sent.get(duty.after, due.get(duty.after, aware_at))
        due_at = _due(begins, duty)
        if due_at is not None:
            due[notice] = due_at
        found.append(Clock(notice, duty.law, duty.to, due_at, sent.get(notice)))
    return found


def _due(begins: datetime, duty: Duty) -> datetime | None:
    if duty.hours:
        return begins + timedelta(hours=duty.hours)
    return _months_later(begins, duty.months) if duty.months else None


def _months_later(begins: datetime, months: int) -> datetime:
    """Return the same day so many months later, or the month's last (Regulation 1182/71, Art. 3(2)(c))."""
    years, month = divmod(begins.month - 1 + months, 12)
    year = begins.year + years
    day = min(begins.day, calendar.monthrange(year, month + 1)[1])
    return begins.replace(year=year, month=month + 1, day=day)
