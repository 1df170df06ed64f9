"""What is remembered of a person who opens records: bounded, whatever they do."""

from __future__ import annotations

import msgspec

from salus.trust.breach.evidence import Tally

HOURS = 48
"""Bins of a profile of hours: 24 of working days, then 24 of Saturdays and Sundays."""
_NODE, _APP = "node:", "app:"
_SATURDAY = 5
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday


class Sighting(msgspec.Struct):
    """The leaves of one person about one patient within an hour.

    Args:
        leaf: index in the log of the first of them.
        patient: logical id; of what was asked for in vain, the id as asked.
        hour: hours since 1970, UTC.
        times: how many.
        found: whether something was served.
        emergency: whether all of it was emergency access.
        wrote: whether the person wrote into the record.
        audit: whether it was who had opened the record that was looked at, not the record.
        missed: whether a person was looked for who is not there.
    """

    leaf: int
    patient: str
    hour: int
    times: int
    found: bool
    emergency: bool
    wrote: bool
    audit: bool = False
    missed: bool = False

    @property
    def opens(self) -> bool:
        """Return whether a record was opened by it."""
        return self.found and not self.audit

    @property
    def is_refused(self) -> bool:
        """Return whether what was asked for by name was refused, or is not there."""
        return not self.found and not self.missed

    @property
    def bin(self) -> int:
        """Return its place in a profile of hours."""
        weekday = (self.hour // 24 + _EPOCH_WEEKDAY) % 7
        return self.hour % 24 + (24 if weekday >= _SATURDAY else 0)


class Person(msgspec.Struct):
    """One subject.

    Args:
        name, role, unit: as the newest leaf and the facts say.
        days: the days that are not settled, each with its sightings in order.
        hours: accesses by bin of the week, fading.
        worked: days with accesses, fading.
        ties: how often each colleague was met at a patient, fading; the frequent ones only.
        settled: accesses that were judged, fading.
        present: accesses of others that the person was near to, fading.
        strangers: patients opened without any reason that the ledger shows, with the last day.
        tallies: what each detector has counted, fading.
        evidence: the newest leaves that each detector counted.
        reported: the day of the last finding, -1 for none.
        lured: the day of the last finding of a honey record, -1 for none.
        node: that named them, "" for somebody of here.
    """

    name: str
    role: str
    unit: str
    days: dict[int, list[Sighting]] = {}
    hours: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    worked: float = 0.0
    ties: dict[str, float] = {}
    settled: float = 0.0
    present: float = 0.0
    strangers: dict[str, int] = {}
    tallies: dict[str, Tally] = {}
    evidence: dict[str, list[int]] = {}
    reported: int = -1
    lured: int = -1
    node: str = ""

    def meet(self, colleague: str, *, colleagues_max: int) -> None:
        """Count one meeting; when the table is full all fade by one (Misra and Gries, 1982)."""
        if colleague in self.ties or len(self.ties) < colleagues_max:
            self.ties[colleague] = self.ties.get(colleague, 0.0) + 1.0
        else:
            self.ties = {name: often - 1.0 for name, often in self.ties.items() if often > 1.0}

    def fade(self, factor: float) -> None:
        """Let a day pass."""
        self.hours = [each * factor for each in self.hours]
        self.ties = {name: often * factor for name, often in self.ties.items() if often > 0.1}
        self.worked *= factor
        self.settled *= factor
        self.present *= factor
        for tally in self.tallies.values():
            tally.fade(factor)


class Day(msgspec.Struct):
    """A person's day as the detectors see it.

    Args:
        sightings: all, in order.
        strangers: those of patients without any reason that the ledger or the facts show; empty while the day
            is not settled.
        returned: those of them whose patient was a stranger on an earlier day already.
        uncovered: emergency accesses that nothing followed.
        absent: those of patients without any encounter at the time.
        odd: those at hours that are rare for the person, or apart from the day's work.
        protected, staff, kin: patients, as in `Facts`; `kin` the person's own.
        is_of_a_node: whether it is all that a node abroad did, whomever it named.
    """

    sightings: list[Sighting]
    strangers: list[Sighting] = []
    returned: list[Sighting] = []
    uncovered: list[Sighting] = []
    absent: list[Sighting] = []
    odd: list[Sighting] = []
    protected: frozenset[str] = frozenset()
    staff: frozenset[str] = frozenset()
    kin: frozenset[str] = frozenset()
    is_of_a_node: bool = False

    @property
    def opened(self) -> list[Sighting]:
        """Return those that showed something of a record."""
        return [each for each in self.sightings if each.opens]


def node_subject(node: str) -> str:
    """Return as whom all that a node abroad does is watched, beside each professional whom it names."""
    return f"{_NODE}{node}"


def is_node(subject: str) -> bool:
    """Return whether a subject of the watch is a node abroad."""
    return subject.startswith(_NODE)


def app_subject(app: str) -> str:
    """Return as whom all that an app does is watched, whoever uses it."""
    return f"{_APP}{app}"


def is_system(subject: str) -> bool:
    """Return whether a subject of the watch is no person: a node abroad, or an app."""
    return subject.startswith((_NODE, _APP))


def patients_of(sightings: list[Sighting]) -> int:
    """Return how many patients they are about."""
    return len({each.patient for each in sightings})
