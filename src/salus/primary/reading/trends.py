"""Earlier results of the same measurement beside the newest, so that a change is seen where it counts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from salus.primary.reading.model import Entry


def with_earlier(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries with repeated measurements behind the newest of each, the rest in their order.

    Two are the same measurement where name, codes, unit and what they are about agree, and their dates
    differ; one without a date stands by itself.
    """
    series: dict[object, list[Entry]] = {}
    for entry in entries:
        key = _key(entry)
        if key is not None:
            series.setdefault(key, []).append(entry)
    behind: set[int] = set()
    newest: dict[int, tuple[Entry, ...]] = {}
    for found in series.values():
        ordered = sorted(found, key=lambda entry: entry.sorted_by, reverse=True)
        dates = [entry.when for entry in ordered]
        if len(ordered) < 2 or len(set(dates)) != len(dates):
            continue
        newest[id(ordered[0])] = tuple(ordered[1:])
        behind.update(id(entry) for entry in ordered[1:])
    return tuple(
        msgspec.structs.replace(entry, earlier=newest.get(id(entry), ()))
        for entry in entries
        if id(entry) not in behind
    )


def _key(entry: Entry) -> object:
    """Return what a measurement has in common with its repetitions, None for what is no dated measurement."""
    if not entry.when or not (entry.measure or entry.parts):
        return None
    if entry.measure is None and not all(part.measure for part in entry.parts):
        return None
    about = tuple((each.label, each.text) for each in entry.fields if each.label)
    unit = entry.measure.unit if entry.measure else ""
    parts = tuple((part.what, part.measure.unit if part.measure else "") for part in entry.parts)
    return (entry.what, entry.codes, unit, about, parts)
