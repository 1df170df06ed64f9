"""HTTP transaction Bundles of about 200 resources from 4 clients, against raw COPY of the same resources.

Validated, references resolved, indexed, with token, decision and audit. COPY stores the same bytes with the
same index values into the same tables, everything encoded beforehand, one transaction per thousand.

Environment BENCH_TRANSACTION_WORKERS: server processes of the node, 1 unless set.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench._copy_ceiling import copy_rate
from salus.core.access import Caller, Purpose, Role
from salus.core.clock import utc_now
from salus.core.identifiers import new_id
from salus.core.limits import Limits
from salus.intake.synth.generator import synthesize
from salus.node import open_services
from salus.standards.fhir.bundle import entry_contents, lookup_for, plan_bundle, splice_references
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.search.extract import compile_indexer
from salus.store.copying import (
    Encoded,
    encode_row,
)
from salus.store.embedded import embedded_server
from salus.store.rows import make_row, patients_of
from salus.trust.tokens import issue

TARGET = 0.12
CLIENTS = 4
SECONDS = 6.0
ROUNDS = 2
CHUNK = 1_000
CEILING_COPIES = 20
BASE = "http://bench.invalid/fhir"
_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "synthea" / "transaction-bundles"


def figures() -> list[dict[str, Any]]:
    """Return the ratio to raw COPY, and both rates."""
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        data, posts = Path(folder) / "node", Path(folder) / "posts"
        posts.mkdir()
        port = _free_port()
        command = ["node", "init", "--country", "PT", "--name", "Bench", "--port", str(port)]
        subprocess.run(_salus(*command, "--data", str(data)), check=True, stdout=subprocess.DEVNULL)
        workers = os.environ.get("BENCH_TRANSACTION_WORKERS", "1")
        settings = data / "salus.toml"
        settings.write_text(f"workers = {workers}\n" + settings.read_text())
        bodies = _bundles()
        for number, body in enumerate(bodies):
            count = len(json.loads(body)["entry"])
            (posts / f"{count}-{number}").write_bytes(body)
        return asyncio.run(_measure(data, posts, port, bodies))


async def _measure(data: Path, posts: Path, port: int, bodies: list[bytes]) -> list[dict[str, Any]]:
    async with open_services(data) as (_, services):
        caller = Caller("b1", "Bench", Role.OPERATOR, "Bench", "bench", Purpose.OPERATIONS)
        token = issue(services.keys.token, caller, services.terms, now=utc_now())
        headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
        chunks = _encoded(bodies, services.keys.search)
        with _serving(data):
            await asyncio.to_thread(_post, port, posts, headers, 1.0)
            copied: list[float] = []
            sent: list[dict[str, float]] = []
            for _ in range(ROUNDS):
                with embedded_server(data) as url:
                    copied.append(await copy_rate(url, chunks))
                sent.append(await asyncio.to_thread(_post, port, posts, headers, SECONDS))
    rate = sum(one["resources"] for one in sent) / sum(one["seconds"] for one in sent)
    whole = not any(one["failures"] for one in sent)
    ceiling = sum(copied) / len(copied)
    return [
        {
            "figure": "transactions_of_raw_copy",
            "value": round(rate / ceiling, 3),
            "unit": "ratio",
            "target": TARGET,
            "met": whole and rate / ceiling >= TARGET,
            "clients": CLIENTS,
        },
        {"figure": "transactions", "value": round(rate), "unit": "resources/s", "target": None, "met": whole},
        {"figure": "raw_copy", "value": round(ceiling), "unit": "resources/s", "target": None, "met": True},
    ]


def _bundles() -> list[bytes]:
    """Return transaction Bundles of about 200 resources: Synthea's where they are, else of our generator."""
    if _SHARED.is_dir():
        bodies = [gzip.decompress(file.read_bytes()) for file in sorted(_SHARED.glob("*.json.gz"))]
        return [body for body in bodies if 180 <= len(json.loads(body)["entry"]) <= 220]
    encode = msgspec.json.Encoder(decimal_format="number").encode
    entries = [
        {
            "fullUrl": f"{BASE}/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
            "request": {"method": "POST", "url": resource["resourceType"]},
        }
        for resource in synthesize(40, "PT", 1, date(2026, 1, 1))
    ]
    pages = [entries[start : start + 200] for start in range(0, len(entries), 200)]
    return [encode({"resourceType": "Bundle", "type": "transaction", "entry": page}) for page in pages]


def _encoded(bodies: list[bytes], key: bytes) -> list[list[Encoded]]:
    """Return the rows that the Bundles become, `CEILING_COPIES` times, each time under other ids."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    found: list[Encoded] = []
    for body in bodies * CEILING_COPIES:
        bundle = parse_json(body, Limits())
        plan = plan_bundle(bundle, entry_contents(body), fhir_base=BASE, entries_max=10_000)
        ids = {entry.index: new_id() for entry in plan.entries}
        links = {entry.full_url: f"{entry.type}/{ids[entry.index]}" for entry in plan.entries}
        for entry in plan.entries:
            assert entry.resource is not None
            content = splice_references(entry.content, entry.resource, lookup_for(entry, links), write_json)
            index = compile_indexer_of(entry.type, key)({**entry.resource, "id": ids[entry.index]})
            row = make_row(entry.type, ids[entry.index], content, index=index)
            found.append(encode_row(row, patients_of(row.compartment, row.others), at))
    return [found[start : start + CHUNK] for start in range(0, len(found), CHUNK)]


_INDEXERS: dict[str, Any] = {}


def compile_indexer_of(kind: str, key: bytes) -> Any:
    """Return the indexer of a type, compiled once."""
    if kind not in _INDEXERS:
        _INDEXERS[kind] = compile_indexer(kind, key)
    return _INDEXERS[kind]


def _post(port: int, posts: Path, headers: dict[str, str], seconds: float) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench._http_posts", str(port), str(seconds), str(CLIENTS), str(posts)],
        input=json.dumps(headers),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@contextmanager
def _serving(data: Path) -> Iterator[None]:
    command = _salus("serve", "--data", str(data), "--stop-with-input")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdout.readline()
        try:
            yield
        finally:
            running.stdin.close()
            running.wait(timeout=60)


def _salus(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "salus.cli.main", *arguments]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
