"""Reading the ledger leaf by leaf for what is unusual. Memory is bounded for each person and each patient.

A day is looked at twice: when it is over, and when it is settled, since what explains an access (a colleague,
a note, an encounter, a second look) may come after it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import datetime

import msgspec

from salus.core.access import Action, Leaf, Outcome, Purpose, Role
from salus.trust.breach.company import Trail
from salus.trust.breach.detector import detectors
from salus.trust.breach.facts import Facts
from salus.trust.breach.finding import Finding, Reason
from salus.trust.breach.memory import Watch
from salus.trust.breach.person import Day, Person, Sighting, app_subject, is_node, is_system, node_subject
from salus.trust.breach.settling import settle, small_units_of
from salus.trust.breach.thresholds import Thresholds, thresholds
from salus.trust.breach.weighing import Weighed, finding_about, groups_of, select, weigh

_WRITES = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE})
_WHOLESALE = frozenset({Action.EXPORT, Action.CHANGES})
_AUDITING = frozenset({Role.AUDITOR, Role.OPERATOR})
"""Whose looks into the access logs of others are watched."""
_LOOKUP = "Patient?"
"""Begins what a leaf says of looking for people: about nobody, where nobody was found."""
_HOUSEKEEPING = frozenset({"auditor-keeps-incidents", "operator-prints-letters"})
"""Rules of trust/policy.toml: what is done about findings, or to tell people, is no access to be found."""
_HONEY = "honey"


def day_of(at: datetime) -> int:
    """Return the day that a moment belongs to, in days since 1970; it begins in the morning."""
    return (int(at.timestamp()) // 3600 - thresholds().day_begins_hour) // 24


def see(watch: Watch, facts: Facts, index: int, leaf: Leaf) -> list[Finding]:
    """Take in the leaf of that index in the log; return the findings that it leads to.

    Leaves come in the log's order. The first of a new day closes the days before it.
    """
    if not _is_watched(leaf):
        return []
    terms = thresholds()
    day = day_of(leaf.at)
    findings = []
    if watch.today < 0:
        watch.today = day
    while watch.today < day:
        findings += _close(watch, facts, terms)
        watch.today += 1
    return findings + _note(watch, facts, index, leaf, terms)


def _is_watched(leaf: Leaf) -> bool:
    if leaf.action == Action.LOAD or leaf.rule in _HOUSEKEEPING:
        return False
    if leaf.role == Role.CITIZEN:
        return bool(leaf.app)
    return leaf.action != Action.AUDIT or (leaf.role in _AUDITING and bool(leaf.patient))


def _note(watch: Watch, facts: Facts, index: int, leaf: Leaf, terms: Thresholds) -> list[Finding]:
    watch.accesses += 1
    subject = _watched_as(watch, leaf, terms)
    person = watch.people.get(subject)
    if person is None:
        person = watch.people[subject] = Person(leaf.name, leaf.role, leaf.organisation, node=leaf.node)
    if not is_system(subject):
        person.name, person.role = leaf.name, leaf.role
        person.unit = facts.units.get(subject, leaf.organisation)
    found = leaf.outcome is Outcome.SERVED and bool(leaf.patient)
    sighting = Sighting(
        leaf=index,
        patient=leaf.patient or leaf.what.rpartition("/")[2],
        hour=int(leaf.at.timestamp()) // 3600,
        times=1 if leaf.patient else max(leaf.resources, 1),
        found=found,
        emergency=leaf.purpose == Purpose.EMERGENCY,
        wrote=leaf.action in _WRITES and found,
        audit=leaf.action == Action.AUDIT,
        missed=leaf.outcome is Outcome.SERVED and not leaf.patient and leaf.what.startswith(_LOOKUP),
    )
    if leaf.outcome is Outcome.SERVED and not leaf.patient and not sighting.missed:
        return []  # a search that found nothing, a terminology: about nobody
    _remember(person.days.setdefault(watch.today, []), sighting, terms)
    if leaf.node and not is_node(subject):
        _note_node(watch, leaf, msgspec.structs.replace(sighting), terms)
    if not sighting.opens:
        return []
    if is_system(subject):
        return _if_honey(watch, facts, subject, index, leaf, terms)
    trail = watch.trails.setdefault(leaf.patient, Trail())
    trail.note(subject, watch.today, wrote=sighting.wrote, company_max=terms.company_max)
    return _if_honey(watch, facts, subject, index, leaf, terms)


def _if_honey(
    watch: Watch, facts: Facts, subject: str, index: int, leaf: Leaf, terms: Thresholds
) -> list[Finding]:
    if leaf.patient in facts.honey and leaf.action not in _WHOLESALE:
        return _honey(watch, subject, index, terms)
    return []


def _watched_as(watch: Watch, leaf: Leaf, terms: Thresholds) -> str:
    """Return as whom the caller is watched: an app as such, a node that names ever new people as the node."""
    if leaf.role in (Role.APP, Role.CITIZEN):
        app = leaf.app or leaf.subject
        subject = app_subject(app)
        name = f"App {app}" if leaf.app else leaf.name
        watch.people.setdefault(subject, Person(name, Role.APP, ""))
        return subject
    if not leaf.node or leaf.subject in watch.people:
        return leaf.subject
    named = sum(person.node == leaf.node for person in watch.people.values())
    if named < terms.named_by_node_max:
        return leaf.subject
    _node_of(watch, leaf)
    return node_subject(leaf.node)


def _node_of(watch: Watch, leaf: Leaf) -> Person:
    return watch.people.setdefault(node_subject(leaf.node), Person(f"Node {leaf.node}", Role.NODE, ""))


def _note_node(watch: Watch, leaf: Leaf, sighting: Sighting, terms: Thresholds) -> None:
    """Count the access to the node that asked for it: the professional's name is that node's word."""
    node = _node_of(watch, leaf)
    _remember(node.days.setdefault(watch.today, []), sighting, terms)


def _remember(day: list[Sighting], sighting: Sighting, terms: Thresholds) -> None:
    for known in reversed(day):
        if known.hour != sighting.hour:
            break
        if (
            known.patient == sighting.patient
            and known.found == sighting.found
            and (known.audit, known.missed) == (sighting.audit, sighting.missed)
        ):
            known.times += sighting.times
            known.wrote |= sighting.wrote
            known.emergency &= sighting.emergency
            return
    if len(day) < terms.sightings_per_day_max:
        day.append(sighting)


def _honey(watch: Watch, subject: str, index: int, terms: Thresholds) -> list[Finding]:
    """Return the finding of a record that nobody has a reason to open; it waits for nothing."""
    watch.honey += 1
    person = watch.people[subject]
    if person.lured >= 0 and watch.today - person.lured < terms.quiet_days:
        return []
    person.lured = watch.today
    score = math.log10((watch.accesses + 1) / watch.honey)
    sentence = "opened a record that is of nobody and that no one has a reason to open"
    reason = Reason(_HONEY, sentence, 1.0, 0.0, score, (index,))
    watch.spent += terms.innocence_min
    return [finding_about(watch, subject, score, [reason])]


def _close(watch: Watch, facts: Facts, terms: Thresholds) -> list[Finding]:
    """Look at the day that is over and at the one that is settled; forget what is old."""
    _fade(watch, terms)
    fresh, settled = watch.today, watch.today - terms.settle_days
    of_fresh = {
        subject: Day(
            person.days[fresh], kin=facts.kin.get(subject, frozenset()), is_of_a_node=is_node(subject)
        )
        for subject, person in watch.people.items()
        if fresh in person.days
    }
    small_units = small_units_of(watch, terms)
    of_settled = settle(watch, facts, settled, small_units, terms)
    groups = groups_of(watch, small_units, terms)
    weighed: dict[str, dict[str, Weighed]] = defaultdict(dict)
    for detector in detectors():
        days = of_settled if detector.waits else of_fresh
        for subject, found in weigh(watch, detector, days, groups, terms).items():
            weighed[subject][detector.name] = found
    for person in watch.people.values():
        person.days.pop(settled, None)
    return select(watch, weighed, terms)


def _fade(watch: Watch, terms: Thresholds) -> None:
    factor = 0.5 ** (1 / terms.half_life_days)
    watch.settled *= factor
    for person in watch.people.values():
        person.fade(factor)
    oldest = watch.today - terms.settle_days - terms.company_days
    for patient, trail in list(watch.trails.items()):
        if all(visit.day < oldest for visit in trail.visits.values()):
            del watch.trails[patient]
    forgotten = watch.today - round(6 * terms.half_life_days)
    gone = [
        subject
        for subject, person in watch.people.items()
        if not person.days and person.settled < 0.1 and person.reported < forgotten and not is_node(subject)
    ]
    for subject in gone:
        del watch.people[subject]
