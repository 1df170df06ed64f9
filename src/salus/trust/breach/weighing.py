"""Weighing what the detectors counted against the peers, and choosing what is told."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import msgspec

from salus.trust.breach.company import is_tied
from salus.trust.breach.detector import Counted, Detector
from salus.trust.breach.evidence import Peers, Tally, calibrated, innocence, log_evidence, log_mean
from salus.trust.breach.finding import Finding, Reason
from salus.trust.breach.memory import Watch
from salus.trust.breach.person import Day, Person
from salus.trust.breach.thresholds import Thresholds

_TELLING = math.log(20)
"""An e-value that one honest person in twenty has at most: what is said besides the strongest reason."""
_DISPERSION_WEIGHT = 0.1
_DISPERSION_MAX = 25.0


class Weighed(msgspec.Struct, frozen=True):
    """What a detector makes of a person: the e-value's logarithm, what was seen and what is usual."""

    detector: Detector
    log_e: float
    seen: Tally
    expected: float
    counted: Counted


def groups_of(watch: Watch, small_units: frozenset[str], terms: Thresholds) -> dict[str, str]:
    """Return each person's group of peers: role and unit, where the unit is not most of the house.

    Where there are fewer than enough of those: the role, and whether they work in a team or for everybody.
    """
    sizes = Counter((person.role, person.unit) for person in watch.people.values())
    found = {}
    for subject, person in watch.people.items():
        if person.unit in small_units and sizes[person.role, person.unit] >= terms.peers_min:
            found[subject] = f"{person.role}|unit {person.unit}"
        else:
            team = sum(
                is_tied(person, known, often, settled=watch.settled, terms=terms)
                for name, often in person.ties.items()
                if (known := watch.people.get(name)) is not None
            )
            found[subject] = f"{person.role}|{'team' if team >= terms.team_min else 'everybody'}"
    return found


def weigh(
    watch: Watch, detector: Detector, days: dict[str, Day], groups: dict[str, str], terms: Thresholds
) -> dict[str, Weighed]:
    """Return what the detector makes of each person's day, and keep its tallies."""
    counts = {subject: detector.count(day) for subject, day in days.items()}
    if not detector.seasonal:
        reasons = _reasons(watch, detector, counts, groups, terms)
        _keep(watch, detector, counts, terms)
        return reasons
    _keep(watch, detector, counts, terms)
    return _reasons(watch, detector, counts, groups, terms)


def _keep(watch: Watch, detector: Detector, counts: dict[str, Counted], terms: Thresholds) -> None:
    for subject, counted in counts.items():
        person = watch.people[subject]
        tally = person.tallies.setdefault(detector.name, Tally())
        tally.add(counted.count, counted.exposure)
        leaves = person.evidence.setdefault(detector.name, [])
        leaves += [each.leaf for each in counted.sightings]
        del leaves[: -terms.evidence_max]


def _reasons(
    watch: Watch,
    detector: Detector,
    counts: Mapping[str, Counted],
    groups: Mapping[str, str],
    terms: Thresholds,
) -> dict[str, Weighed]:
    """Return the evidence of those of whom enough is known to expect anything."""
    name = detector.name
    tallies = {
        subject: person.tallies[name] for subject, person in watch.people.items() if name in person.tallies
    }
    peers = _peers(tallies, groups, terms)
    dispersion = watch.dispersion.get(name, 1.0)
    found: dict[str, Weighed] = {}
    scatter: list[float] = []
    for subject, counted in counts.items():
        own = tallies.get(subject, Tally())
        group = peers.get(groups[subject], Peers([], outliers=0.0))
        others = group.exposure - own.exposure
        own_says = not detector.seasonal and own.exposure >= terms.own_exposure_min
        if others < terms.peers_exposure_min and not own_says:
            continue
        rate = group.without(own, spread_min=terms.spread_min)
        if detector.seasonal:
            here = Tally(own.count, own.exposure)
        else:
            here = Tally(counted.count, counted.exposure)
            rate = rate.after(own.count * terms.own_past_weight, own.exposure * terms.own_past_weight)
            usual = rate.mean * here.exposure
            scatter.append(min((here.count - usual) ** 2 / usual, _DISPERSION_MAX))
        log_e = log_evidence(here.count, here.exposure, rate, excess=terms.excess, dispersion=dispersion)
        found[subject] = Weighed(detector, log_e, here, rate.mean * here.exposure, counted)
    if scatter:
        newest = max(1.0, sum(scatter) / len(scatter))
        watch.dispersion[name] = dispersion + _DISPERSION_WEIGHT * (newest - dispersion)
    logs = calibrated({subject: weighed.log_e for subject, weighed in found.items()})
    return {
        subject: msgspec.structs.replace(weighed, log_e=logs[subject]) for subject, weighed in found.items()
    }


def _peers(tallies: Mapping[str, Tally], groups: Mapping[str, str], terms: Thresholds) -> dict[str, Peers]:
    members: dict[str, list[Tally]] = defaultdict(list)
    for subject, tally in tallies.items():
        members[groups[subject]].append(tally)
    return {group: Peers(many, outliers=terms.outliers) for group, many in members.items()}


def select(watch: Watch, weighed: dict[str, dict[str, Weighed]], terms: Thresholds) -> list[Finding]:
    """Return the findings of the day, the strongest first, as far as the false alarms allowed reach.

    Each costs the chance that it is false. What is more likely false than not may use only a part of what is
    allowed, so that it never takes the place of what is likely true.
    """
    logs = {
        subject: log_mean([each.log_e for each in found.values()])
        for subject, found in weighed.items()
        if not _is_quiet(watch.people[subject], watch.today, terms)
    }
    allowed = terms.false_alarms_first + watch.accesses / terms.accesses_per_false_alarm
    findings = []
    for subject in sorted(logs, key=lambda name: (-logs[name], name)):
        chance = innocence(logs[subject], insider_share=terms.insider_share)
        cost = max(chance, terms.innocence_min)
        limit = allowed if chance <= 0.5 else allowed * terms.weak_share
        if chance > terms.innocence_max or watch.spent + cost > limit:
            break
        watch.spent += cost
        person = watch.people[subject]
        person.reported = watch.today
        strong = sorted(weighed[subject].values(), key=lambda each: -each.log_e)
        said = [
            _reason(person, each, terms) for each in strong if each is strong[0] or each.log_e >= _TELLING
        ]
        findings.append(finding_about(watch, subject, logs[subject] / math.log(10), said))
    return findings


def _reason(person: Person, weighed: Weighed, terms: Thresholds) -> Reason:
    detector, seen = weighed.detector, weighed.seen
    leaves = [each.leaf for each in weighed.counted.sightings[-terms.evidence_max :]]
    sentence = detector.sentence.format(
        count=round(seen.count), exposure=round(seen.exposure), expected=_rounded(weighed.expected)
    )
    return Reason(
        detector.name,
        sentence,
        seen.count,
        weighed.expected,
        weighed.log_e / math.log(10),
        tuple(person.evidence[detector.name] if detector.seasonal else leaves),
    )


def _rounded(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def _is_quiet(person: Person, today: int, terms: Thresholds) -> bool:
    return person.reported >= 0 and today - person.reported < terms.quiet_days


def finding_about(watch: Watch, subject: str, score: float, reasons: Iterable[Reason]) -> Finding:
    """Return the finding about a subject, as of today."""
    person = watch.people[subject]
    day = date(1970, 1, 1) + timedelta(days=watch.today)
    return Finding(subject, person.name, person.role, person.unit, day, score, tuple(reasons))
