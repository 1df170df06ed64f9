"""What is hidden against what is absent, by the time their answers take: two samples, Kolmogorov-Smirnov.

A node answers one connection over loopback; each pair asks for something that a citizen hides, by name or by
a Consent, and for something that never was, in random order. D is the largest distance of the two
distributions of times, p the chance of one as large if both were one distribution (asymptotic, as in Press et
al., Numerical Recipes, section 14.3.3). Answers that differ but for ids and times of the day are counted.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.read import PATIENTS, _fill, _free_port, _serving
from salus.core.access import Action, Caller, Purpose, Role
from salus.core.clock import utc_now
from salus.core.identifiers import new_id
from salus.node import open_services
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import resources
from salus.store.changes import Operation
from salus.store.postgres import Connection
from salus.store.restrictions import restrict
from salus.store.rows import Row, make_row
from salus.trust.consent.hanging import hang
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.trust.tokens import issue
from salus.web.services import Services

PAIRS = 2_000
WARMED = 200
P_LEAST = 0.01
_SEED = 20_261_129
_OWN = re.compile(rb"[a-z2-7]{26}|[0-9a-f]{20}|p\d+|\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|\+00:00)")


def figures() -> Iterator[dict[str, Any]]:
    """Yield, for each way of asking, the p-value with D, and how many answers differ."""
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        port = _free_port()
        command = ["node", "init", "--country", "PT", "--name", "Bench", "--port", str(port)]
        subprocess.run(
            [sys.executable, "-m", "salus.cli.main", *command, "--data", folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        ways, make_token = asyncio.run(_prepare(Path(folder)))
        with _serving("_read_server", port, folder):
            for name, pairs in ways.items():
                yield _compare(name, pairs, port, make_token())


async def _prepare(data: Path) -> tuple[dict[str, list[tuple[str, str]]], Callable[[], str]]:
    """Store records, hide the last resource of every other one.

    Returns:
        The pairs of addresses by way, and a maker of access tokens: one lives for minutes.
    """
    async with open_services(data) as (_, services):
        rows = await _fill(services)
        last = {row.compartment: row for row in rows}
        for number in range(0, PATIENTS, 2):
            hide = _hide if number % 4 else _deny
            await hide(services, last[f"p{number}"])
        # The record beside it never had that resource.
        async with services.database.system() as connection:
            for number in range(1, PATIENTS, 2):
                await connection.execute("DELETE FROM resource WHERE id = $1", last[f"p{number}"].id)
        key, terms = services.keys.token, services.terms
    hidden = [last[f"p{number % PATIENTS}"].id for number in range(0, 2 * PAIRS, 2)]
    beside = [(f"p{number % PATIENTS}", f"p{(number + 1) % PATIENTS}") for number in range(0, 2 * PAIRS, 2)]
    version = "/fhir/Observation/{}/_history/1"
    searches = "/fhir/Observation?patient={}&_count=50"
    return {
        "read": [(f"/fhir/Observation/{one}", f"/fhir/Observation/{new_id()}") for one in hidden],
        "version": [(version.format(one), version.format(new_id())) for one in hidden],
        "search_by_id": [
            (f"/fhir/Observation?_id={one}", f"/fhir/Observation?_id={new_id()}") for one in hidden
        ],
        "search_in_record": [(searches.format(one), searches.format(other)) for one, other in beside],
    }, lambda: issue(key, _clinician(), terms, now=utc_now())


async def _deny(services: Services, row: Row) -> None:
    reference = {"reference": f"Observation/{row.id}"}
    consent = {
        "resourceType": "Consent",
        "id": new_id(),
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "patient": {"reference": f"Patient/{row.compartment}"},
        "provision": {"type": "deny", "data": [{"meaning": "instance", "reference": reference}]},
    }
    index = IndexRow((row.compartment,), None, [], [], [])
    said = make_row("Consent", str(consent["id"]), json.dumps(consent).encode(), index=index)
    operator = Caller("bench", "Bench", Role.OPERATOR, "Bench", services.base_url, Purpose.OPERATIONS)
    asked = AccessRequest(Action.CREATE, "Consent", "bench")
    async with enter(services.gatehouse, operator, asked) as access:

        async def work(connection: Connection) -> None:
            operation = Operation("create", "Consent", said.id, said)
            written = await resources.apply(access.grant, connection, [operation])
            await hang(access.grant, connection, written, default_denies=False)

        await resources.transact(access.grant, services.database, work)


async def _hide(services: Services, row: Row) -> None:
    whose = row.compartment
    citizen = Caller(whose, "Ana Sousa", Role.CITIZEN, "", "bench", Purpose.PATIENT_REQUEST, patient=whose)
    asked = AccessRequest(Action.UPDATE, "restriction", f"Observation/{row.id}", frozenset({whose}))
    async with enter(services.gatehouse, citizen, asked) as access:
        await restrict(access.grant, services.database, "Observation", row.id)


def _clinician() -> Caller:
    return Caller("c1", "Mari Tamm", Role.CLINICIAN, "Tartu Hospital", "bench", Purpose.TREATMENT)


def _compare(name: str, pairs: Sequence[tuple[str, str]], port: int, token: str) -> dict[str, Any]:
    order = random.Random(_SEED)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    times: tuple[list[float], list[float]] = ([], [])
    differ = 0
    for number, pair in enumerate((*pairs[:WARMED], *pairs)):
        answers = {}
        for place in order.sample((0, 1), 2):
            started = time.perf_counter()
            answers[place] = _ask(connection, pair[place], token)
            if number >= WARMED:
                times[place].append(time.perf_counter() - started)
        differ += answers[0] != answers[1]
    connection.close()
    distance = _distance(*times)
    chance = _chance(distance, len(times[0]), len(times[1]))
    return {
        "figure": f"hidden_against_absent_{name}",
        "value": round(chance, 4),
        "unit": "p",
        "target": P_LEAST,
        "met": chance >= P_LEAST and differ == 0,
        "D": round(distance, 4),
        "pairs": len(times[0]),
        "median_ms": [round(1000 * sorted(one)[len(one) // 2], 3) for one in times],
        "answers_that_differ": differ,
    }


def _ask(connection: http.client.HTTPConnection, path: str, token: str) -> tuple[int, bytes, bytes]:
    connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    body = answer.read()
    headers = sorted((name, value) for name, value in answer.getheaders() if name not in ("date", "etag"))
    if answer.status not in (200, 404):
        raise RuntimeError(f"{path} was answered {answer.status}: nothing was measured")
    return answer.status, _OWN.sub(b"?", json.dumps(headers).encode()), _OWN.sub(b"?", body)


def _distance(first: list[float], second: list[float]) -> float:
    """Return the largest distance of the two empirical distributions."""
    merged = sorted([(each, 0) for each in first] + [(each, 1) for each in second])
    seen, found = [0, 0], 0.0
    for place, (value, which) in enumerate(merged):
        seen[which] += 1
        if place + 1 < len(merged) and merged[place + 1][0] == value:
            continue
        found = max(found, abs(seen[0] / len(first) - seen[1] / len(second)))
    return found


def _chance(distance: float, first: int, second: int) -> float:
    """Return the chance of so large a distance if both samples were of one distribution."""
    root = math.sqrt(first * second / (first + second))
    scaled = (root + 0.12 + 0.11 / root) * distance
    total = sum((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * total)) if scaled > 0.2 else 1.0
