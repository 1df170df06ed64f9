"""`python -m conformance.scoreboard [SUITES_DIR ...] [--floor FILE] [--raise-floor] [--output DIR]`.

Prints one JSON line for each suite; ends with 1 when a suite is below its floor. The recorded floor is that
of the default folders' cases: another folder is held to a floor only where --floor names one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from conformance.scoreboard.board import find, play
from conformance.scoreboard.floor import below_floor, raised, read_floor, write_floor
from conformance.scoreboard.suite import Score

_HOUSE = Path(__file__).resolve().parent.parent.parent
_SUITES_DEFAULT = tuple(_HOUSE.parent / "shared" / name for name in ("testsuites", "testvectors"))
_FLOOR_DEFAULT = _HOUSE / "conformance" / "floor.toml"


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance.scoreboard", description=__doc__)
    parser.add_argument("suites", nargs="*", type=Path, help="default: ../shared/testsuites and testvectors")
    parser.add_argument(
        "--floor", type=Path, help="default: the recorded floor, for the default folders only"
    )
    parser.add_argument("--raise-floor", action="store_true", help="lift the floor to what passes now")
    parser.add_argument(
        "--output", type=Path, default=_HOUSE / "scoreboard", help="where failures are written"
    )
    return parser.parse_args(words)


def _play_all(root: Path, output: Path) -> list[Score]:
    """Play every suite, printing a line for each as it ends."""
    scores = []
    for found in find(root):
        if found.suite is None:
            print(f"{found.folder.name}: no runner yet", file=sys.stderr)
            continue
        score = play(found, output)
        print(msgspec.json.encode(score).decode(), flush=True)
        scores.append(score)
    return scores


def main(words: Sequence[str] | None = None) -> int:
    """Run the scoreboard; return the exit code."""
    arguments = _arguments(words)
    roots: Sequence[Path] = arguments.suites or _SUITES_DEFAULT
    is_default = not arguments.suites
    scores: list[Score] = []
    for root in roots:
        if root.is_dir():
            scores += _play_all(root, arguments.output)
        else:
            print(f"skipped: there is no folder {root}", file=sys.stderr)
            if not is_default:
                return 2
    if arguments.floor is None and not is_default:
        print("no floor is recorded for this folder; --floor FILE names one", file=sys.stderr)
        return 0
    recorded = arguments.floor or _FLOOR_DEFAULT
    floor = read_floor(recorded)
    failures = below_floor(scores, floor)
    for failure in failures:
        print(failure, file=sys.stderr)
    if arguments.raise_floor:
        write_floor(recorded, raised(floor, scores))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
