"""Who was at a patient at the time, and whether that, a contact or a note explains an access.

Colleagues are learnt from the leaves: people who meet at the same patients far more often than at any. So
a look-up is explained when the patient was with one's colleagues (explanation-based auditing: Fabbri and
LeFevre, VLDB 2011; communities of users: Chen, Nyemba and Malin, IEEE TDSC 2012).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from salus.trust.breach.facts import Facts
from salus.trust.breach.person import Person, Sighting
from salus.trust.breach.thresholds import Thresholds


class Visit(msgspec.Struct):
    """The last day on which somebody opened a patient's record, and the last on which they wrote into it."""

    day: int
    wrote: int = -1


class Trail(msgspec.Struct):
    """Who opened a patient's record lately."""

    visits: dict[str, Visit] = {}

    def note(self, subject: str, day: int, *, wrote: bool, company_max: int) -> None:
        """Remember a visit; who was there longest ago is forgotten first."""
        visit = self.visits.pop(subject, None) or Visit(day)
        visit.day = max(visit.day, day)
        if wrote:
            visit.wrote = visit.day
        if len(self.visits) >= company_max:
            del self.visits[next(iter(self.visits))]
        self.visits[subject] = visit

    def company(self, subject: str, day: int, *, days: int) -> Iterator[str]:
        """Yield who else was there within so many days."""
        for other, visit in self.visits.items():
            if other != subject and abs(visit.day - day) <= days:
                yield other


def is_colleague(
    person: Person,
    other: str,
    people: Mapping[str, Person],
    *,
    settled: float,
    small_units: frozenset[str],
    terms: Thresholds,
) -> bool:
    """Say whether a person works with another: the same small unit, or met far more often than by chance.

    Args:
        person: who looked.
        other: who was there.
        people: everybody, by subject.
        settled: accesses judged of everybody, fading like `Person.present`.
        small_units: units that are not most of the house.
        terms: the thresholds.
    """
    known = people.get(other)
    if known is None:
        return False
    if person.unit == known.unit and person.unit in small_units:
        return True
    return is_tied(person, known, person.ties.get(other, 0.0), settled=settled, terms=terms)


def is_tied(person: Person, other: Person, meetings: float, *, settled: float, terms: Thresholds) -> bool:
    """Say whether so many meetings with another are far more than by chance."""
    if meetings < terms.tie_meetings_min or not settled:
        return False
    return meetings * settled >= terms.tie_lift_min * other.present * person.settled


def contacts_at(facts: Facts, sighting: Sighting, *, terms: Thresholds) -> list[str]:
    """Return the units that had an encounter with the patient around the access; "" for an unknown one."""
    contacts = facts.contacts.get(sighting.patient)
    if not contacts:
        return []
    at = datetime.fromtimestamp(sighting.hour * 3600, UTC)
    before, after = timedelta(days=terms.contact_before_days), timedelta(days=terms.contact_after_days)
    return [
        contact.unit
        for contact in contacts
        if contact.begins - before <= at and (contact.ends is None or at <= contact.ends + after)
    ]


def is_justified(facts: Facts, subject: str, sighting: Sighting) -> bool:
    """Return whether a second look found the person's emergency access of that hour justified."""
    begins = datetime.fromtimestamp(sighting.hour * 3600, UTC)
    return any(
        period.begins < begins + timedelta(hours=1) and (period.ends is None or begins <= period.ends)
        for period in facts.justified.get((subject, sighting.patient), ())
    )
