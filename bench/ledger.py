"""What the ledger costs and gives: leaves sequenced a second, its share of a read, a report with all proofs.

The log of the report has a million leaves: ten million take longer to make here than the measurement may.
"""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench.read import CONNECTIONS, ROUNDS, SECONDS, _ask, _citizen, _fill, _free_port, _serving, _wish
from salus.core.access import Caller, Purpose, Role
from salus.core.clock import utc_now
from salus.node import open_services
from salus.store.postgres import Database
from salus.store.sealing import seal_of
from salus.store.sequencer import Progress, Signer, sequence
from salus.web.access_report import access_report
from salus.web.ledger import key_of, signer_of
from salus.web.services import Services

RATE_MIN = 20_000
COST_MAX = 0.10
REPORT_SECONDS_MAX = 2.0
LOG_LEAVES = 1_000_000
LOG_PERSONS = 200_000
REPORT_ACCESSES = 5_000
PATIENTS = 500
BATCH = 40_000
ENTRY = (
    '{"salt":"'
    + "A" * 24
    + '","leaf":{"at":"2026-11-24T09:00:00Z","request":"0123456789abcdef0123","patient":'
    '"p","subject":"s-1","name":"Mari Tamm","role":"clinician","organisation":"Tartu Hospital","node":"",'
    '"purpose":"TREAT","action":"read","what":"Observation/1","resources":1,"outcome":"served","rule":"r"}}'
).encode()
_APPEND = """
SELECT append_leaves(
    array_agg($1 || (n % $2) ORDER BY n), array_agg(now()), array_agg($3::bytea), array_agg($4::bytea),
    array_agg(md5(n::text))
)
FROM generate_series(1, $5::int) AS n
"""


def figures() -> list[dict[str, Any]]:
    """Return the rates, the cost and the seconds of a report."""
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        port, null_port = _free_port(), _free_port()
        command = ["node", "init", "--country", "PT", "--name", "Bench", "--port", str(port)]
        subprocess.run(
            [sys.executable, "-m", "salus.cli.main", *command, "--data", folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return asyncio.run(_measure(Path(folder), port, null_port))


async def _measure(data: Path, port: int, null_port: int) -> list[dict[str, Any]]:
    async with open_services(data) as (_, services):
        found = await _cost(services, data, port, null_port)
        signer = signer_of(services.base_url, services.keys)
        await _sequenced(services.database, signer)
        found.append(await _rate(services.database, signer, "few_persons", persons=2_000))
        found += await _report(services, signer)
        # Each leaf of this batch is of another person, all of them known: the map's worst case.
        found.append(await _rate(services.database, signer, "each_another_person", persons=BATCH))
        return found


async def _cost(services: Services, data: Path, port: int, null_port: int) -> list[dict[str, Any]]:
    """Return what share of the reads a second the ledger takes."""
    rows = await _fill(services)
    wish = _wish(services, rows, [_citizen(number) for number in range(PATIENTS)])
    ports = {"ledger": port, "null": null_port}
    rates: dict[str, list[float]] = {name: [] for name in ports}
    with _serving("_read_server", port, str(data)), _serving("_null_sink_server", null_port, str(data)):
        for name in ports:
            await asyncio.to_thread(_ask, ports[name], wish, 1.0)
        for _ in range(ROUNDS):
            for name in ports:
                told = await asyncio.to_thread(_ask, ports[name], wish, SECONDS)
                rates[name].append(told["requests"] / told["seconds"])
    cost = median(1 - ours / null for ours, null in zip(rates["ledger"], rates["null"], strict=True))
    return [
        _figure("share_of_reads", round(cost, 3), "ratio", COST_MAX, met=cost <= COST_MAX),
        _figure("reads", round(median(rates["ledger"])), f"requests/s, {CONNECTIONS} connections"),
        _figure(
            "reads_with_null_sink", round(median(rates["null"])), f"requests/s, {CONNECTIONS} connections"
        ),
    ]


async def _rate(database: Database, signer: Signer, name: str, *, persons: int) -> dict[str, Any]:
    """Return how many waiting leaves a second get their place in the tree and in their person's chain."""
    await _append(database, "p", persons, BATCH)
    started = time.perf_counter()
    await _sequenced(database, signer)
    rate = BATCH / (time.perf_counter() - started)
    return _figure(f"sequenced_{name}", round(rate), "leaves/s", RATE_MIN, met=rate >= RATE_MIN)


async def _report(services: Services, signer: Signer) -> list[dict[str, Any]]:
    """Return the seconds that a citizen with 5,000 accesses in a log of a million waits for the file."""
    database = services.database
    started = time.perf_counter()
    for _ in range(LOG_LEAVES // 50_000):
        await _append(database, "p", LOG_PERSONS, 50_000 - REPORT_ACCESSES * 50_000 // LOG_LEAVES)
        await _append(database, "ana", 1, REPORT_ACCESSES * 50_000 // LOG_LEAVES)
        await _sequenced(database, signer)
    made = time.perf_counter() - started
    citizen = Caller("ana0", "Ana Sousa", Role.CITIZEN, "", "bench", Purpose.PATIENT_REQUEST, patient="ana0")
    seconds, size = [], 0
    for _ in range(3):
        started = time.perf_counter()
        answer = await access_report(services, key_of(services), citizen)
        seconds.append(time.perf_counter() - started)
        size = len(answer.body)
    took = median(seconds)
    return [
        _figure("log_made", round(LOG_LEAVES / made), "leaves/s"),
        _figure("report_of_5000", round(took, 2), "s", REPORT_SECONDS_MAX, met=took <= REPORT_SECONDS_MAX)
        | {"leaves": LOG_LEAVES, "bytes": size},
    ]


async def _append(database: Database, prefix: str, persons: int, count: int) -> None:
    async with database.system() as connection:
        (sealed,) = seal_of(connection).close([ENTRY])
        digest = hashlib.sha256(ENTRY).digest()
        await connection.execute(_APPEND, prefix, persons, sealed, digest, count)


async def _sequenced(database: Database, signer: Signer) -> None:
    progress = Progress()
    while (progress := await sequence(database, signer, utc_now(), progress)).sequenced:
        pass


def _figure(
    name: str, value: float, unit: str, target: float | None = None, *, met: bool = True
) -> dict[str, Any]:
    return {"figure": name, "value": value, "unit": unit, "target": target, "met": met}
