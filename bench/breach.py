"""Insiders found, and false alarms, in synthetic hospitals that no threshold was chosen on.

Eight kinds of insider among 500 staff over 90 days (`_hospital`). Hospitals with seeds below 100 were looked
at while the detectors were made; those here were not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from bench._hospital import Hospital, Shape, hospital
from salus.trust.breach.finding import Finding
from salus.trust.breach.memory import Watch
from salus.trust.breach.watch import see

SEEDS = (101, 102, 103)
FOUND_MIN = 0.80
FALSE_MAX = 1.0
ACCESSES = 5_000


def figures() -> Iterator[dict[str, Any]]:
    """Yield the share found and the false alarms: with all facts, and from the leaves alone."""
    for name, shape in (
        ("with_facts", Shape()),
        ("leaves_alone", Shape(units_known=False, contacts_known=False)),
    ):
        insiders = found = false = leaves = 0
        seconds = 0.0
        for seed in SEEDS:
            house = hospital(seed, shape)
            started = time.perf_counter()
            told = watch(house)
            seconds += time.perf_counter() - started
            subjects = {finding.subject for finding in told}
            insiders += len(house.insiders)
            found += len(subjects & set(house.insiders))
            false += sum(finding.subject not in house.insiders for finding in told)
            leaves += len(house.leaves)
        share, alarms = found / insiders, false * ACCESSES / leaves
        yield _figure(f"insiders_found_{name}", round(share, 3), "share", FOUND_MIN, met=share >= FOUND_MIN)
        yield _figure(
            f"false_alarms_{name}",
            round(alarms, 3),
            f"in {ACCESSES} accesses",
            FALSE_MAX,
            met=alarms <= FALSE_MAX,
        )
        yield _figure(f"watched_{name}", round(leaves / seconds), "leaves/s", None, met=True)


def watch(house: Hospital) -> list[Finding]:
    """Return what the detectors say of what happened."""
    memory = Watch()
    return [
        finding
        for index, leaf in enumerate(house.leaves)
        for finding in see(memory, house.facts, index, leaf)
    ]


def _figure(name: str, value: float, unit: str, target: float | None, *, met: bool) -> dict[str, Any]:
    return {"figure": name, "value": value, "unit": unit, "target": target, "met": met}
