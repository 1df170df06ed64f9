"""A patient summary of some 60 entries against the European profile, all checks on; memory and warm start.

The document is the one of ../shared/data/eehrxf with the number of entries nearest to 60. Validation
(parsing, R4,
profiles, invariants, bindings, extensions, references) is compared with msgspec's parse of the same bytes,
both as
CPU time in one run after warm-up, best of several rounds. Memory and start are those of a new process that
has the
table of all packages of ../shared in its cache and has checked the document once.
"""

from __future__ import annotations

import gc
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.profiles.book import Book, Shelves
from salus.standards.fhir.profiles.categories import detect
from salus.standards.fhir.profiles.tables import TableShelf, shipped_shelf
from salus.standards.fhir.profiles.validator import check_profiles, check_resource
from salus.standards.fhir.validation.validator import validate
from salus.store.packages import tables_in

SHARED = Path(__file__).parents[2] / "shared"
ENTRIES = 60
ROUNDS = 30
TARGET_RATIO = 40.0
TARGET_MIB = 250.0
TARGET_SECONDS = 2.0
LIMITS = Limits()

_CHECK = """
import sys
from pathlib import Path
from salus.cli.main import main
code = main(["check", "--json", "--packages", sys.argv[1], sys.argv[2]])
status = Path("/proc/self/status").read_text()  # the kernel's ru_maxrss counts who started the process too
print(status.partition("VmHWM:")[2].split()[0], file=sys.stderr)
sys.exit(code)
"""


def figures() -> list[dict[str, Any]]:
    """Return the ratio to a bare parse, the milliseconds, memory and warm start."""
    source = SHARED / "data/eehrxf/synderai/EPS.ndjson.gz"
    if not source.is_file():
        return [
            {"figure": "profile validation", "value": None, "unit": "ratio", "skipped": "needs ../shared"}
        ]
    body, count = _document(source)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        book = Book(
            Shelves([TableShelf(tables_in(SHARED / "fhir-packages", cache / "salus")), shipped_shelf()])
        )
        return [*_rates(body, count, book), *_process(body, cache)]


def _document(source: Path) -> tuple[bytes, int]:
    lines = gzip.decompress(source.read_bytes()).splitlines()
    counted = [(abs(len(json.loads(line)["entry"]) - ENTRIES), line) for line in lines]
    line = min(counted)[1]
    return line, len(json.loads(line)["entry"])


def _best(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the quickest round."""
    for _ in range(5):
        work()
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        rounds.append(time.process_time() - started)
    return min(rounds)


def _rates(body: bytes, count: int, book: Book) -> list[dict[str, Any]]:
    gc.freeze()  # as `salus check` does
    resource = parse_json(body, LIMITS)
    found = detect(resource)
    decode = msgspec.json.Decoder().decode
    parse = _best(lambda: decode(body))
    whole = _best(lambda: check_resource(parse_json(body, LIMITS), book, found.profiles, found.inner))
    parts = {
        "parse_ms": parse,
        "base_ms": _best(lambda: validate(resource)),
        "profiles_ms": _best(lambda: check_profiles(resource, book, found.profiles)),
    }
    ratio = whole / parse
    corpus = {"entries": count, "bytes": len(body)} | {key: round(one * 1e3, 3) for key, one in parts.items()}
    return [
        {"figure": "profile validation vs msgspec parse", "value": round(ratio, 1), "unit": "ratio"}
        | {"target": TARGET_RATIO, "met": ratio <= TARGET_RATIO, "milliseconds": round(whole * 1e3, 2)}
        | corpus
    ]


def _process(body: bytes, cache: Path) -> list[dict[str, Any]]:
    """Return memory and time of a new process whose table is in the cache."""
    file = cache / "summary.json"
    file.write_bytes(body)
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _CHECK, str(SHARED / "fhir-packages"), str(file)],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    seconds = time.monotonic() - started
    mebibytes = int(done.stderr.split()[-1]) / 1024
    return [
        {"figure": "warm start and one summary", "value": round(seconds, 2), "unit": "s"}
        | {"target": TARGET_SECONDS, "met": seconds < TARGET_SECONDS},
        {"figure": "memory with all European packages", "value": round(mebibytes, 1), "unit": "MiB"}
        | {"target": TARGET_MIB, "met": mebibytes < TARGET_MIB},
    ]
