"""The counts as Prometheus reads them (Prometheus text exposition format 0.0.4)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from salus.core.tally import MS_AT_MOST, Kind
from salus.store.tallies import Counted

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
COUNTERS: Mapping[Kind, tuple[str, str, tuple[str, ...]]] = {
    Kind.CHECK: (
        "salus_checks_total",
        "Files checked against FHIR and its profiles.",
        ("way", "system", "vendor", "country", "category", "profile", "outcome"),
    ),
    Kind.FAULT: (
        "salus_faults_total",
        "Checked files that break a rule.",
        ("vendor", "category", "code"),
    ),
    Kind.EXCHANGE: (
        "salus_exchanges_total",
        "Questions between nodes, asked or answered by this one.",
        ("way", "system", "country", "category", "outcome"),
    ),
}
DURATIONS = "salus_exchange_duration_seconds"
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_LABEL = re.compile(r"[a-z_]+")


def exposition(counted: Iterable[Counted]) -> str:
    """Return counters and the histogram of durations, all days added up."""
    held = list(counted)
    lines: list[str] = []
    for kind, (name, about, labels) in COUNTERS.items():
        sums: dict[tuple[str, ...], int] = defaultdict(int)
        for one in held:
            if one.tally.kind is kind:
                sums[tuple(str(getattr(one.tally, each)) for each in labels)] += one.count
        lines += [f"# HELP {name} {about}", f"# TYPE {name} counter"]
        lines += [
            f"{name}{{{_labels(dict(zip(labels, key, strict=True)))}}} {count}"
            for key, count in sorted(sums.items())
        ]
    lines += _durations(held)
    return "\n".join(lines) + "\n"


def _durations(held: Iterable[Counted]) -> Iterator[str]:
    classes: dict[tuple[str, str], list[int]] = {}
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for one in held:
        if one.tally.kind is Kind.EXCHANGE:
            key = (one.tally.way, one.tally.category)
            known = classes.setdefault(key, [0] * (len(MS_AT_MOST) + 1))
            for place, count in enumerate(one.ms_classes):
                known[place] += count
            sums[key] += one.ms_sum
    yield f"# HELP {DURATIONS} How long questions between nodes took."
    yield f"# TYPE {DURATIONS} histogram"
    for key in sorted(classes):
        labels = _labels({"way": key[0], "category": key[1]})
        total = 0
        for most, count in zip((*MS_AT_MOST, None), classes[key], strict=True):
            total += count
            bound = "+Inf" if most is None else f"{most / 1000:g}"
            yield f'{DURATIONS}_bucket{{{labels},le="{bound}"}} {total}'
        yield f"{DURATIONS}_sum{{{labels}}} {sums[key] / 1000:.6f}"
        yield f"{DURATIONS}_count{{{labels}}} {total}"


def _labels(named: Mapping[str, str]) -> str:
    assert all(_LABEL.fullmatch(name) for name in named)
    return ",".join(f'{name}="{text.translate(_ESCAPED)}"' for name, text in named.items())
