"""`salus synth`: synthetic citizens as NDJSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec

from salus.cli.command import Command
from salus.core.clock import utc_now
from salus.intake.synth.generator import synthesize

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--persons", type=int, required=True, metavar="N", help="how many citizens")
    parser.add_argument("--country", required=True, metavar="XX", help="two-letter code, EU or EEA")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="the same seed gives the same persons"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: standard output)")
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="day on which the records are current (default: the present day)",
    )


def _run(options: argparse.Namespace) -> int:
    today = options.today or utc_now().date()
    lines = _lines(options.persons, options.country.upper(), options.seed, today)
    if options.out is None:
        for line in lines:
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return 0
    with options.out.open("wb") as file:
        file.writelines(lines)
    return 0


def _lines(persons: int, country: str, seed: int, today: date) -> Iterator[bytes]:
    for resource in synthesize(persons, country, seed, today):
        yield _ENCODER.encode(resource) + b"\n"


COMMAND = Command("synth", "Write synthetic citizens with plausible records as NDJSON.", _arguments, _run)
