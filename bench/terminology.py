"""A synthetic SNOMED CT snapshot of 350,000 concepts: time to load it, and answers a second.

The release is written in RF2 (invented names, two parents for 45 % of the concepts) and loaded as an operator
loads it. Then, from one process: look-ups of codes not seen before, subsumption of random pairs, $validate-
code against an is-a value set, and text searches. Memory is the peak of the process that loads.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench._snomed_release import write_snapshot
from salus.standards.terminology.operations import Occasion, run
from salus.store.terminology import ReleaseLibrary

CONCEPTS = 350_000
ASKED = 20_000
TARGET_LOAD_SECONDS = 300.0
TARGET_LOOKUPS = 3_000.0
URL = "http://snomed.info/sct"

_LOAD = """
import sys
from pathlib import Path
from salus.standards.terminology.releases.release import Wish
from salus.store.terminology import load
load(Path(sys.argv[1]), Path(sys.argv[2]), "snomed", Wish(), lambda step: None)
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


def _figure(
    name: str, value: float, unit: str, target: float | None = None, **more: object
) -> dict[str, Any]:
    met = None if target is None else (value <= target if unit in ("s", "MiB") else value >= target)
    return {"figure": name, "value": round(value, 1), "unit": unit, "target": target, "met": met, **more}


def _rate(ask: Callable[[Any], object], questions: Sequence[Any]) -> float:
    started = time.process_time()
    for one in questions:
        ask(one)
    return len(questions) / (time.process_time() - started)


def _worked() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def figures(concepts: int = CONCEPTS) -> list[dict[str, Any]]:
    """Return load time, memory, size and rates."""
    with tempfile.TemporaryDirectory() as place:
        release, folder = Path(place) / "release", Path(place) / "loaded"
        write_snapshot(release, concepts)
        started, worked = time.monotonic(), _worked()
        done = subprocess.run(
            [sys.executable, "-c", _LOAD, str(release), str(folder)],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, processor = time.monotonic() - started, _worked() - worked
        size = sum(one.stat().st_size for one in folder.iterdir())
        return [
            _figure("load a snapshot", seconds, "s", TARGET_LOAD_SECONDS, concepts=concepts),
            _figure("processor time of the load", processor, "s"),
            _figure("memory while loading", int(done.stdout) / 1024, "MiB"),
            _figure("loaded file", size / 2**20, "MiB"),
            *_rates(folder, concepts),
        ]


def _rates(folder: Path, concepts: int) -> list[dict[str, Any]]:
    library = ReleaseLibrary(folder)
    system = library.code_system(URL, "")
    assert system is not None
    chance = random.Random(2)
    codes = [str(100_000_000 + one) for one in chance.sample(range(concepts), min(ASKED, concepts))]
    pairs = [(one, chance.choice(codes)) for one in codes]
    occasion = Occasion("urn:uuid:00000000-0000-4000-8000-000000000000", "2026-01-01T00:00:00Z")

    def validate(code: str) -> object:
        rows = [
            {"name": "url", "valueUri": f"{URL}?fhir_vs=isa/100000005"},
            {"name": "coding", "valueCoding": {"system": URL, "code": code}},
        ]
        return run(
            "ValueSet/$validate-code", {"resourceType": "Parameters", "parameter": rows}, library, occasion
        )

    return [
        _figure("look-ups", _rate(system.find, codes), "/s", TARGET_LOOKUPS),
        _figure("subsumption", _rate(lambda pair: system.is_below(*pair), pairs), "/s"),
        _figure("validate-code in an is-a value set", _rate(validate, codes[:2000]), "/s"),
        _figure(
            "text search",
            _rate(system.search, ["acu frac lef", "benign tumo", "heart 17", "kidn bon skin"] * 5),
            "/s",
        ),
    ]
