"""Observation?patient=&code=&_sort=-date&_count=50 through a whole node, against the bare ceiling.

The ceiling is that of `bench.read` (granian, a bare ASGI function, one fetch, one group-committed insert),
asked in turn with the node; both with a worker process for each core, and with one. Rows are made inside
PostgreSQL, 200 Observations of 20 codes a patient, with the tokens that the indexer gives. SALUS_BENCH_ROWS
(default 1000000) sets the larger size, a tenth the smaller.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from bench.read import _ask, _clinician, _free_port, _serving
from salus.core.clock import utc_now
from salus.node import open_services
from salus.standards.fhir.search.extract import compile_indexer
from salus.store.embedded import embedded_server
from salus.trust.tokens import issue
from salus.web.services import Services

PER_PATIENT = 200
CODES = 20
ROUNDS = 9
SECONDS = 1.0
TARGET = 0.30
GROWTH_MAX = 1.5
PATHS = 2_000

_ROWS = """
INSERT INTO resource (compartment, type, id, version, updated, digest, date, tokens, content)
SELECT p.id, 'Observation', 'o' || n, 1, timestamptz '2026-01-01' + n * interval '1 second', '\\x00',
    timestamptz '2000-01-01' + (n * 7919 % 9000) * interval '1 day', p.tokens || c.tokens,
    convert_to(replace(replace(replace(t.content, 'PATIENT', p.id), 'CODE', c.code), 'DATE',
        to_char(timestamptz '2000-01-01' + (n * 7919 % 9000) * interval '1 day',
            'YYYY-MM-DD"T"00:00:00"Z"')), 'UTF8')
FROM generate_series($1::bigint, $2::bigint) AS n
JOIN bench_patient p ON p.number = n / $3 JOIN bench_code c ON c.number = n % $4 CROSS JOIN bench_template t
"""
_RANGES = """
INSERT INTO resource_range SELECT r.compartment, r.type, r.id, k.key,
    CASE k.kind WHEN 'date' THEN extract(epoch FROM r.date) ELSE 5 END,
    CASE k.kind WHEN 'date' THEN extract(epoch FROM r.date) + 1 ELSE 5 END
FROM resource r CROSS JOIN bench_key k WHERE r.type = 'Observation' AND r.updated >= $1
"""


def figures() -> list[dict[str, Any]]:
    """Return the share of the ceiling at the larger size, the growth of p95, and the figures behind both."""
    rows = int(os.environ.get("SALUS_BENCH_ROWS", "1000000"))
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        port, bare_port = _free_port(), _free_port()
        command = ["node", "init", "--country", "PT", "--name", "Bench", "--port", str(port)]
        subprocess.run(
            [sys.executable, "-m", "salus.cli.main", *command, "--data", folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return asyncio.run(_measure(Path(folder), port, bare_port, rows))


async def _measure(data: Path, port: int, bare_port: int, rows: int) -> list[dict[str, Any]]:
    async with open_services(data) as (_, services):
        with embedded_server(data) as url:
            owner = await asyncpg.connect(url)
        await _templates(owner, services, rows // PER_PATIENT + 1)
        await _bare(owner)
        token = issue(services.keys.token, _clinician(), services.terms, now=utc_now())
        bare = {"requests": [[f"/b{number}", 0] for number in range(1_000)], "tokens": [token]}

        async def compared(size: int, workers: int) -> dict[str, float]:
            ours = {"requests": [[path, 0] for path in _paths(size)], "tokens": [token]}
            with (
                _serving("_read_server", port, str(data), workers),
                _serving("_bare_read", bare_port, url, workers),
            ):
                return await _compare(port, bare_port, ours, bare)

        small, large = rows // 10, rows
        await _fill(owner, 0, small)
        few = await compared(small, 1)
        await _fill(owner, small, large)
        many = {workers: await compared(large, workers) for workers in (1, os.cpu_count() or 1)}
        await owner.close()
    return _report(small, large, few, many)


async def _compare(port: int, bare_port: int, ours: dict[str, Any], bare: dict[str, Any]) -> dict[str, float]:
    """Ask both in turn; return rates, p95 of the search and failures."""
    await asyncio.to_thread(_ask, port, ours, 1.0)
    await asyncio.to_thread(_ask, bare_port, bare, 1.0)
    found: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
    for _ in range(ROUNDS):
        found["bare"].append(await asyncio.to_thread(_ask, bare_port, bare, SECONDS))
        found["ours"].append(await asyncio.to_thread(_ask, port, ours, SECONDS))
    rates = {
        name: sum(one["requests"] for one in many) / sum(one["seconds"] for one in many)
        for name, many in found.items()
    }
    # Of rounds side by side, as in `bench.read`.
    ratio = median(
        (ours["requests"] / ours["seconds"]) / (bare["requests"] / bare["seconds"])
        for ours, bare in zip(found["ours"], found["bare"], strict=True)
    )
    return {
        **rates,
        "ratio": ratio,
        "p95_ms": sorted(one["p95_ms"] for one in found["ours"])[ROUNDS // 2],
        "failures": sum(one["failures"] for many in found.values() for one in many),
    }


def _paths(size: int) -> list[str]:
    patients = size // PER_PATIENT
    return [
        f"/fhir/Observation?patient=p{number * 7919 % patients}&code=http://loinc.org|c{number % CODES}"
        "&_sort=-date&_count=50"
        for number in range(PATHS)
    ]


def _observation(patient: str, code: str, date: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": system, "code": "laboratory", "display": "Laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": "Glucose"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": date,
        "valueQuantity": {
            "value": 5,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
        "note": [{"text": "Synthetic, for measuring. " * 8}],
    }


def _bytes(patient: str, code: str, date: str) -> bytes:
    """Return the resource without blanks, as servers and Synthea write it."""
    return json.dumps(_observation(patient, code, date), separators=(",", ":")).encode()


async def _templates(owner: Any, services: Services, patients: int) -> None:
    """Put what the rows are made of into tables: a patient's and a code's tokens, keys, and the bytes."""
    index = compile_indexer("Observation", services.keys.search)

    def parts(patient: str, code: str) -> tuple[list[int], list[tuple[int, float, float]]]:
        row = index(_observation(patient, code, "2000-01-01T00:00:00Z"))
        return row.tokens, row.ranges

    base, ranges = parts("p0", "c0")
    of_patient = [(n, f"p{n}", sorted(set(parts(f"p{n}", "c0")[0]) - set(base))) for n in range(1, patients)]
    shared = set(base) & set(parts("p1", "c0")[0])
    of_patient.insert(0, (0, "p0", sorted(set(base) - shared)))
    of_code = [
        (n, f"c{n}", sorted(set(parts("p1", f"c{n}")[0]) & (set(parts("p2", f"c{n}")[0]))))
        for n in range(CODES)
    ]
    await owner.execute("CREATE TABLE bench_patient (number bigint PRIMARY KEY, id text, tokens bigint[])")
    await owner.execute("CREATE TABLE bench_code (number bigint PRIMARY KEY, code text, tokens bigint[])")
    await owner.execute("CREATE TABLE bench_key (kind text, key bigint)")
    await owner.execute("CREATE TABLE bench_template (content text)")
    await owner.copy_records_to_table("bench_patient", records=of_patient)
    await owner.copy_records_to_table("bench_code", records=of_code)
    keys = [("date" if low == 946684800.0 else "value", key) for key, low, _ in ranges]
    await owner.copy_records_to_table("bench_key", records=keys)
    text = _bytes("PATIENT", "CODE", "DATE").decode()
    await owner.copy_records_to_table("bench_template", records=[(text,)])


async def _bare(owner: Any) -> None:
    await owner.execute("CREATE TABLE bare (id text PRIMARY KEY, content bytea NOT NULL)")
    await owner.execute(
        "CREATE TABLE bare_log "
        "(arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text, entry bytea)"
    )
    content = _bytes("p1", "c1", "2000-01-01T00:00:00Z")
    await owner.copy_records_to_table("bare", records=[(f"b{number}", content) for number in range(1_000)])


async def _fill(owner: Any, first: int, end: int) -> None:
    """Make the rows [first, end) with the secondary indexes laid aside, then ANALYZE as after a bulk load."""
    rows = await owner.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('resource', 'resource_range') "
        "AND indexname NOT LIKE '%pkey'"
    )
    await owner.execute("SET maintenance_work_mem = '1GB'; SET synchronous_commit = off")
    for row in rows:
        await owner.execute(f"DROP INDEX {row['indexname']}")
    await owner.execute(_ROWS, first, end - 1, PER_PATIENT, CODES)
    since = await owner.fetchval("SELECT timestamptz '2026-01-01' + $1::bigint * interval '1 second'", first)
    await owner.execute(_RANGES, since)
    for row in rows:
        await owner.execute(row["indexdef"])
    await owner.execute("VACUUM ANALYZE")


def _report(
    small: int, large: int, few: dict[str, float], many: dict[int, dict[str, float]]
) -> list[dict[str, Any]]:
    """Return the figures of the large size for each number of workers, the last of which counts."""
    alone, cores = many[1], max(many)
    growth = alone["p95_ms"] / few["p95_ms"]
    ratio = many[cores]["ratio"]
    failures = sum(each["failures"] for each in (few, *many.values()))
    return [
        _figure("search_of_bare_ceiling", round(ratio, 3), "ratio", TARGET, ratio >= TARGET),
        _figure("search_of_bare_ceiling_one_worker", round(alone["ratio"], 3), "ratio", None, True),
        _figure("search_p95_growth", round(growth, 2), "ratio", GROWTH_MAX, growth < GROWTH_MAX),
        _figure(f"search_p95_{small}", round(few["p95_ms"], 1), "ms", None, True),
        _figure(f"search_p95_{large}", round(alone["p95_ms"], 1), "ms", None, True),
        _figure("search", round(many[cores]["ours"]), "requests/s", None, True),
        _figure("search_bare_ceiling", round(many[cores]["bare"]), "requests/s", None, True),
        _figure("search_workers", cores, "workers of node and ceiling", None, True),
        _figure("search_failures", int(failures), "requests", 0, failures == 0),
    ]


def _figure(name: str, value: float, unit: str, target: float | None, met: bool) -> dict[str, Any]:
    return {"figure": name, "value": value, "unit": unit, "target": target, "met": met}
