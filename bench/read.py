"""Read by id: a node with token, decision, durable leaf and row-level security, against the bare ceiling.

Both servers run at once on one embedded PostgreSQL and are asked in turn by a load generator of its own
process, so that noise of the machine hits both: with a worker process for each core, and with one.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

from salus.core.access import Action, Caller, Purpose, Role
from salus.core.clock import utc_now
from salus.core.identifiers import new_id
from salus.node import open_services
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import resources
from salus.store.changes import Operation
from salus.store.embedded import embedded_server
from salus.store.rows import Row, make_row
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.trust.tokens import issue
from salus.web.services import Services

CONNECTIONS = 16
RESOURCES = 5_000
PATIENTS = 500
ROUNDS = 9
SECONDS = 1.0
TARGET = 0.60


def figures() -> list[dict[str, Any]]:
    """Return the ratio of reads per second, and both rates."""
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        data = Path(folder)
        port, bare_port = _free_port(), _free_port()
        command = ["node", "init", "--country", "PT", "--name", "Bench", "--port", str(port)]
        subprocess.run(
            [sys.executable, "-m", "salus.cli.main", *command, "--data", folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return asyncio.run(_measure(data, port, bare_port))


async def _measure(data: Path, port: int, bare_port: int) -> list[dict[str, Any]]:
    async with open_services(data) as (_, services):
        rows = await _fill(services)
        wishes = {
            "bare": {"requests": [[f"/{row.id}", 0] for row in rows], "tokens": ["x" * 400]},
            "citizen": _wish(services, rows, [_citizen(number) for number in range(PATIENTS)]),
            "clinician": _wish(services, rows, [_clinician()]),
        }
        found = []
        for workers in (1, os.cpu_count() or 1):
            with (
                embedded_server(data) as url,
                _serving("_read_server", port, str(data), workers),
                _serving("_bare_read", bare_port, url, workers),
            ):
                ports = {"bare": bare_port, "citizen": port, "clinician": port}
                found += _report(await _compare(ports, wishes), "" if workers == 1 else "_with_workers")
        return found


async def _compare(ports: dict[str, int], wishes: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """Ask for each wish at its port, in turn; return what each round saw."""
    rates: dict[str, list[dict[str, float]]] = {name: [] for name in wishes}
    for name, wish in wishes.items():
        await asyncio.to_thread(_ask, ports[name], wish, 1.0)
    for _ in range(ROUNDS):
        for name, wish in wishes.items():
            rates[name].append(await asyncio.to_thread(_ask, ports[name], wish, SECONDS))
    return rates


def _wish(services: Services, rows: list[Row], callers: list[Caller]) -> dict[str, Any]:
    """Return reads of every row, each with the token of the caller it belongs to."""
    now = utc_now()
    return {
        "requests": [
            [f"/fhir/Observation/{row.id}", number % len(callers)] for number, row in enumerate(rows)
        ],
        "tokens": [issue(services.keys.token, caller, services.terms, now=now) for caller in callers],
    }


def _report(rates: dict[str, list[dict[str, float]]], how: str) -> list[dict[str, Any]]:
    def per_second(name: str) -> float:
        return sum(one["requests"] for one in rates[name]) / sum(one["seconds"] for one in rates[name])

    found = []
    for name in ("citizen", "clinician"):
        # Of rounds side by side, so that a busy moment of the machine counts in few of them.
        ratio = median(
            (ours["requests"] / ours["seconds"]) / (bare["requests"] / bare["seconds"])
            for ours, bare in zip(rates[name], rates["bare"], strict=True)
        )
        p95 = sorted(one["p95_ms"] for one in rates[name])[ROUNDS // 2]
        found += [
            _figure(
                f"read_by_{name}_of_bare_ceiling{how}", round(ratio, 3), "ratio", TARGET, met=ratio >= TARGET
            ),
            _figure(f"read_by_{name}{how}", round(per_second(name)), "requests/s"),
            _figure(f"read_by_{name}_p95{how}", round(p95, 1), "ms"),
        ]
    # The bare server knows no refusal, so these are ours.
    failures = int(sum(one["failures"] for many in rates.values() for one in many))
    return [
        *found,
        _figure(f"bare_read{how}", round(per_second("bare")), "requests/s"),
        _figure(f"read_failures{how}", failures, "requests", 0, met=failures == 0),
    ]


def _figure(
    name: str, value: float, unit: str, target: float | None = None, *, met: bool = True
) -> dict[str, Any]:
    return {"figure": name, "value": value, "unit": unit, "target": target, "met": met}


async def _fill(services: Services) -> list[Row]:
    """Store Observations of many patients in the node and the same bytes in the bare table."""
    rows = [_observation(number) for number in range(RESOURCES)]
    operator = Caller("bench", "Bench", Role.OPERATOR, "Bench", services.base_url, Purpose.OPERATIONS)
    async with enter(
        services.gatehouse, operator, AccessRequest(Action.CREATE, "Observation", "bench")
    ) as access:
        for start in range(0, RESOURCES, 500):
            operations = [Operation("create", row.type, row.id, row) for row in rows[start : start + 500]]

            async def work(connection: Any, operations: list[Operation] = operations) -> None:
                await resources.apply(access.grant, connection, operations)

            await resources.transact(access.grant, services.database, work)
    with embedded_server(services.data) as url:
        owner = await asyncpg.connect(url)
    await owner.execute("CREATE TABLE bare (id text PRIMARY KEY, content bytea NOT NULL)")
    await owner.execute(
        "CREATE TABLE bare_log "
        "(arrival bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text, entry bytea)"
    )
    await owner.executemany("INSERT INTO bare VALUES ($1, $2)", [(row.id, row.content) for row in rows])
    await owner.execute("VACUUM ANALYZE")
    await owner.close()
    return rows


def _observation(number: int) -> Row:
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                    }
                ]
            }
        ],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "2339-0", "display": "Glucose"}],
            "text": "Glucose",
        },
        "subject": {"reference": f"Patient/p{number % PATIENTS}"},
        "effectiveDateTime": "2026-01-01T10:00:00Z",
        "valueQuantity": {
            "value": 5 + number % 7,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
        "note": [{"text": "Synthetic, for measuring. " * 8}],
    }
    index = IndexRow((f"p{number % PATIENTS}",), None, [number, number + 1], [], [])
    return make_row(
        "Observation", new_id(), json.dumps(resource, separators=(",", ":")).encode(), index=index
    )


def _citizen(number: int) -> Caller:
    subject = f"p{number}"
    return Caller(subject, "Ana Sousa", Role.CITIZEN, "", "bench", Purpose.PATIENT_REQUEST, patient=subject)


def _clinician() -> Caller:
    return Caller("c1", "Mari Tamm", Role.CLINICIAN, "Tartu Hospital", "bench", Purpose.TREATMENT)


def _ask(port: int, wish: dict[str, Any], seconds: float, connections: int = CONNECTIONS) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench._http_load", str(port), str(seconds), str(connections)],
        input=json.dumps(wish), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


@contextmanager
def _serving(module: str, port: int, place: str, workers: int = 1) -> Iterator[None]:
    """Serve from so many processes, which share the port as the workers of `salus serve` do."""
    command = [sys.executable, "-m", f"bench.{module}", str(port), place]
    with ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(_process(command))
        _wait_for(port)
        yield


@contextmanager
def _process(command: list[str]) -> Iterator[None]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline().strip() == "ready"
        try:
            yield
        finally:
            server.stdin.close()
            server.wait(timeout=30)


def _wait_for(port: int) -> None:
    for _ in range(1_000_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise RuntimeError(f"nothing listens on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
