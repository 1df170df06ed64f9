"""The floor: the share of each suite that once passed and must pass again. It only rises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from conformance.scoreboard.suite import Score

_HEADER = "# Share of each public suite that must pass. Raised by --raise-floor, never lowered.\n\n"
_DECIMALS = 4


def read_floor(path: Path) -> dict[str, float]:
    """Return the floor by suite; a missing file is a floor of nothing."""
    return msgspec.toml.decode(path.read_bytes(), type=dict[str, float]) if path.exists() else {}


def below_floor(scores: Iterable[Score], floor: Mapping[str, float]) -> list[str]:
    """Return a sentence for each suite that scored less than its floor."""
    return [
        f"{score.suite}: {score.share:.4f} is below the floor of {floor[score.suite]:.4f}"
        for score in scores
        if score.suite in floor and score.share < floor[score.suite]
    ]


def raised(floor: Mapping[str, float], scores: Iterable[Score]) -> dict[str, float]:
    """Return the floor with every suite lifted to its score, and none lowered."""
    lifted = dict(floor)
    for score in scores:
        share = int(score.share * 10**_DECIMALS) / 10**_DECIMALS
        lifted[score.suite] = max(share, lifted.get(score.suite, 0.0))
    return lifted


def write_floor(path: Path, floor: Mapping[str, float]) -> None:
    """Write the floor, sorted by suite."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} = {floor[name]:.{_DECIMALS}f}\n" for name in sorted(floor)]
    path.write_text(_HEADER + "".join(lines), encoding="utf-8")
