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
from itertools import count
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
MANY_CONNECTIONS = 64
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
# As they come from a journal file, so that the sequencer need not read them back for the mirror.
_APPEND_FILED = """
SELECT append_filed(
    'bench', $6::bigint, $6::bigint + 1, array_agg($1 || (n % $2) ORDER BY n),
    array_agg((extract(epoch FROM now()) * 1000000)::int8), array_agg($3::bytea), array_agg($4::bytea),
    array_agg(md5(n::text))
)
FROM generate_series(1, $5::int) AS n
"""
_places = count()


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
        written = await _rate(services.database, signer, "written_with_data", persons=2_000, filed=False)
        found.append(written)
        found += await _report(services, signer)
        # Each leaf of this batch is of another person, all of them known: the map's worst case.
        found.append(await _rate(services.database, signer, "each_another_person", persons=BATCH))
        return found


async def _cost(services: Services, data: Path, port: int, null_port: int) -> list[dict[str, Any]]:
    """Return what share of the reads a second the ledger takes."""
    rows = await _fill(services)
    wish = _wish(services, rows, [_citizen(number) for number in range(PATIENTS)])
    ports = {"ledger": port, "null": null_port}
    with _serving("_read_server", port, str(data)), _serving("_null_sink_server", null_port, str(data)):
        for name in ports:
            await asyncio.to_thread(_ask, ports[name], wish, 1.0)
        found = []
        for connections in (CONNECTIONS, MANY_CONNECTIONS):
            found += await _compare_sinks(ports, wish, connections)
        return found


async def _compare_sinks(
    ports: dict[str, int], wish: dict[str, Any], connections: int
) -> list[dict[str, Any]]:
    """Ask both in turn, so many requests at a time; with few of them each waits for the disk by itself."""
    rates: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(ROUNDS):
        for name in ports:
            told = await asyncio.to_thread(_ask, ports[name], wish, SECONDS, connections)
            rates[name].append(told["requests"] / told["seconds"])
    cost = median(1 - ours / null for ours, null in zip(rates["ledger"], rates["null"], strict=True))
    how = "" if connections == CONNECTIONS else f"_of_{connections}"
    unit = f"requests/s, {connections} connections"
    return [
        _figure(f"share_of_reads{how}", round(cost, 3), "ratio", COST_MAX, met=cost <= COST_MAX),
        _figure(f"reads{how}", round(median(rates["ledger"])), unit),
        _figure(f"reads_with_null_sink{how}", round(median(rates["null"])), unit),
    ]


async def _rate(
    database: Database, signer: Signer, name: str, *, persons: int, filed: bool = True
) -> dict[str, Any]:
    """Return how many waiting leaves a second get their place in the tree and in their person's chain."""
    await _append(database, "p", persons, BATCH, filed=filed)
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


async def _append(database: Database, prefix: str, persons: int, leaves: int, *, filed: bool = True) -> None:
    async with database.system() as connection:
        (sealed,) = seal_of(connection).close([ENTRY])
        digest = hashlib.sha256(ENTRY).digest()
        columns = (prefix, persons, sealed, digest, leaves)
        if filed:
            await connection.execute(_APPEND_FILED, *columns, next(_places))
        else:
            await connection.execute(_APPEND, *columns)


async def _sequenced(database: Database, signer: Signer) -> None:
    progress = Progress()
    while (progress := await sequence(database, signer, utc_now(), progress)).sequenced:
        pass


def _figure(
    name: str, value: float, unit: str, target: float | None = None, *, met: bool = True
) -> dict[str, Any]:
    return {"figure": name, "value": value, "unit": unit, "target": target, "met": met}
