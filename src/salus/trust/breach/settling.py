"""Judging a day once what explains its accesses had time to come: company, contacts, notes, usual hours."""

from __future__ import annotations

from collections import Counter

from salus.trust.breach.company import contacts_at, is_colleague, is_justified
from salus.trust.breach.facts import Facts
from salus.trust.breach.memory import Watch
from salus.trust.breach.person import HOURS, Day, Person, Sighting, is_system
from salus.trust.breach.thresholds import Thresholds


def settle(
    watch: Watch, facts: Facts, day: int, small_units: frozenset[str], terms: Thresholds
) -> dict[str, Day]:
    """Return the day of each subject who opened records on it, and learn who works with whom, and when."""
    _meet(watch, day, terms)
    hours = _hours_of_roles(watch)
    return {
        subject: _judged(watch, facts, subject, person, day, small_units, hours[person.role], terms)
        for subject, person in watch.people.items()
        if day in person.days and not is_system(subject)
    }


def small_units_of(watch: Watch, terms: Thresholds) -> frozenset[str]:
    """Return the units that are not most of the house."""
    sizes = Counter(person.unit for person in watch.people.values() if person.unit)
    most = terms.unit_share_max * sum(sizes.values())
    return frozenset(unit for unit, size in sizes.items() if size <= most)


def _meet(watch: Watch, day: int, terms: Thresholds) -> None:
    """Count who met whom at the patients of the settled day."""
    for subject, person in watch.people.items():
        if is_system(subject):
            continue
        patients = {each.patient for each in person.days.get(day, ()) if each.opens}
        person.settled += len(patients)
        watch.settled += len(patients)
        for patient in patients:
            trail = watch.trails.get(patient)
            for other in trail.company(subject, day, days=terms.company_days) if trail else ():
                person.meet(other, colleagues_max=terms.colleagues_max)
                if other in watch.people:
                    watch.people[other].present += 1.0


def _judged(
    watch: Watch,
    facts: Facts,
    subject: str,
    person: Person,
    day: int,
    small_units: frozenset[str],
    peers: list[float],
    terms: Thresholds,
) -> Day:
    """Return the settled day with what explains its accesses."""
    sightings = person.days[day]
    opened = [each for each in sightings if each.opens]
    strangers, returned, uncovered, absent = [], [], [], []
    for each in opened:
        units = contacts_at(facts, each, terms=terms)
        if facts.contacts and not units:
            absent.append(each)
        if not {subject, person.unit}.isdisjoint(units) or _is_explained(
            watch, subject, person, each, day, small_units, terms
        ):
            continue
        strangers.append(each)
        if person.strangers.get(each.patient, day) < day:
            returned.append(each)
        if each.emergency and not is_justified(facts, subject, each):
            uncovered.append(each)
    odd = _odd(person, opened, peers, terms)
    for each in strangers:
        person.strangers.pop(each.patient, None)
        person.strangers[each.patient] = day
    while len(person.strangers) > terms.strangers_max:
        del person.strangers[next(iter(person.strangers))]
    for each in opened:
        person.hours[each.bin] += 1.0
    person.worked += bool(opened)
    return Day(
        sightings,
        strangers,
        returned,
        uncovered,
        absent,
        odd,
        facts.protected,
        frozenset(facts.staff),
        facts.kin.get(subject, frozenset()),
    )


def _is_explained(
    watch: Watch,
    subject: str,
    person: Person,
    sighting: Sighting,
    day: int,
    small_units: frozenset[str],
    terms: Thresholds,
) -> bool:
    trail = watch.trails.get(sighting.patient)
    if trail is None:
        return False
    own = trail.visits.get(subject)
    if own is not None and own.wrote >= day - terms.company_days:
        return True
    return any(
        is_colleague(person, other, watch.people, settled=watch.settled, small_units=small_units, terms=terms)
        for other in trail.company(subject, day, days=terms.company_days)
    )


def _odd(person: Person, opened: list[Sighting], peers: list[float], terms: Thresholds) -> list[Sighting]:
    """Return the few accesses at rare hours, and those apart from the day's work that leave no daily rest.

    Many at rare hours are a shift taken over.
    """
    rare = _tail(person.hours, peers, terms)
    few = terms.shift_share_min * sum(person.hours) / max(person.worked, 1.0)
    blocks: list[list[Sighting]] = []
    for each in sorted(opened, key=lambda sighting: sighting.hour):
        if blocks and each.hour - blocks[-1][-1].hour < terms.apart_hours:
            blocks[-1].append(each)
        else:
            blocks.append([each])
    work = max(blocks, key=len, default=[])
    return [
        each
        for block in blocks
        for each in block
        if (each.bin in rare and len(block) < few)
        or (block is not work and _leaves_no_rest(block, work, terms))
    ]


def _leaves_no_rest(block: list[Sighting], work: list[Sighting], terms: Thresholds) -> bool:
    """Say whether a block of accesses and the day's work are too far apart for one shift."""
    if (block[0].hour - terms.day_begins_hour) % 24 < terms.handover_hours:
        return False
    span = max(block[-1].hour, work[-1].hour) - min(block[0].hour, work[0].hour) + 1
    return span > terms.working_hours_max


def _tail(own: list[float], peers: list[float], terms: Thresholds) -> set[int]:
    """Return the rarest bins of the week that hold such a share of one's own profile, the peers' mixed in."""
    whole, mine, prior = sum(peers), sum(own), terms.hours_prior_accesses
    if not whole:
        return set()
    share = [
        (often + prior * theirs / whole) / (mine + prior) for often, theirs in zip(own, peers, strict=True)
    ]
    tail, mass = set(), 0.0
    for place in sorted(range(HOURS), key=share.__getitem__):
        mass += share[place]
        if mass > terms.hours_tail:
            break
        tail.add(place)
    return tail


def _hours_of_roles(watch: Watch) -> dict[str, list[float]]:
    """Return the accesses by bin of the week of everybody in each role."""
    found: dict[str, list[float]] = {}
    for person in watch.people.values():
        sums = found.get(person.role, [0.0] * HOURS)
        found[person.role] = [one + other for one, other in zip(sums, person.hours, strict=True)]
    return found
