"""What a detector is, and all of them: one file in `detectors/` defines `DETECTOR`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from importlib import resources

import msgspec

from salus.trust.breach.person import Day, Sighting


class Counted(msgspec.Struct, frozen=True):
    """What a detector found in a day: how often, of how many, and where."""

    count: float
    exposure: float
    sightings: list[Sighting]


class Detector(msgspec.Struct, frozen=True):
    """One kind of unusual behaviour, as a count and how often it could have been.

    Args:
        name: one word.
        waits: whether the day must be settled first, since colleagues, encounters and reviews come later.
        seasonal: whether the person's season is compared with the peers' (else one day with the own past).
        sentence: says what was done, with {count}, {exposure} and {expected}.
        count: of a day.
    """

    name: str
    waits: bool
    seasonal: bool
    sentence: str
    count: Callable[[Day], Counted]


@cache
def detectors() -> tuple[Detector, ...]:
    """Return every detector, by the name of its file."""
    names = sorted(
        file.name.removesuffix(".py")
        for file in resources.files("salus.trust.breach.detectors").iterdir()
        if file.name.endswith(".py") and file.name != "__init__.py"
    )
    return tuple(importlib.import_module(f"salus.trust.breach.detectors.{name}").DETECTOR for name in names)
