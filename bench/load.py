"""`salus load` of Synthea NDJSON against raw COPY of the same bytes and index values, and its memory.

Environment BENCH_LOAD_COPIES: how often the data set (28,148 resources) is loaded, each time as another
source; 36 makes a million resources. The default is 3.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench._copy_ceiling import copy_rate
from salus.core.limits import Limits
from salus.intake.files import find_files, open_file
from salus.intake.formats.registry import find
from salus.intake.prepare import prepare
from salus.intake.setting import Setting
from salus.intake.synth.generator import synthesize
from salus.node import open_services
from salus.store.copying import Encoded
from salus.store.embedded import embedded_server

TARGET = 0.30
MEMORY_MB_TARGET = 400
CHUNK = 1_000
CEILING_COPIES_MAX = 3
"""The ceiling is measured on at most as many copies: its rows are prepared beforehand and held in memory."""

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "synthea" / "patients100"


def figures() -> list[dict[str, Any]]:
    """Return the ratio to raw COPY, both rates, and the memory of the load and of a node afterwards."""
    copies = int(os.environ.get("BENCH_LOAD_COPIES", "3"))
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        data = Path(folder) / "node"
        port = _free_port()
        command = ["node", "init", "--country", "PT", "--name", "Bench", "--port", str(port)]
        subprocess.run(_salus(*command, "--data", str(data)), check=True, stdout=subprocess.DEVNULL)
        sources = [_data_set(Path(folder) / f"source{number}") for number in range(copies)]
        before = asyncio.run(_ceiling(data, sources[:CEILING_COPIES_MAX]))
        report, loading_mb = _load(data, sources)
        after = asyncio.run(_ceiling(data, sources[:CEILING_COPIES_MAX]))
        ceiling = (before + after) / 2
        node_mb = _node_memory(data, port)
    return _report(report, ceiling, loading_mb, node_mb)


def _report(
    report: dict[str, Any], ceiling: float, loading_mb: float, node_mb: float
) -> list[dict[str, Any]]:
    rate = report["resources_per_second"]
    resources = report["read"]
    whole = report["stored"] == resources
    note = (
        "the node keeps nothing for each resource; BENCH_LOAD_COPIES=36 measures it at a million"
        if resources < 1_000_000
        else "measured at this number of resources"
    )
    return [
        {
            "figure": "load_of_raw_copy",
            "value": round(rate / ceiling, 3),
            "unit": "ratio",
            "target": TARGET,
            "met": whole and rate / ceiling >= TARGET,
            "resources": resources,
            "note": f"ceiling: mean of a run before and one after, at most {CEILING_COPIES_MAX} copies",
        },
        {"figure": "load", "value": round(rate), "unit": "resources/s", "target": None, "met": whole},
        {"figure": "raw_copy", "value": round(ceiling), "unit": "resources/s", "target": None, "met": True},
        {
            "figure": "load_memory_peak",
            "value": round(loading_mb),
            "unit": "MB RSS of all loading processes",
            "target": None,
            "met": True,
            "resources": resources,
        },
        {
            "figure": "node_memory_after_load",
            "value": round(node_mb),
            "unit": "MB RSS outside PostgreSQL",
            "target": MEMORY_MB_TARGET,
            "met": node_mb < MEMORY_MB_TARGET,
            "resources": resources,
            "note": note,
        },
    ]


def _data_set(folder: Path) -> Path:
    """Make a folder with the files of one source: Synthea's where they are, else ours."""
    folder.mkdir()
    if _SHARED.is_dir():
        for file in _SHARED.iterdir():
            shutil.copy(file, folder)
        return folder
    encode = msgspec.json.Encoder(decimal_format="number").encode
    with (folder / "synthetic.ndjson").open("wb") as lines:
        for resource in synthesize(900, "PT", 1, date(2026, 1, 1)):
            lines.write(encode(resource) + b"\n")
    return folder


def _salus(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "salus.cli.main", *arguments]


def _load(data: Path, sources: list[Path]) -> tuple[dict[str, Any], float]:
    """Run `salus load`; return its report and the peak memory of its processes together, in MB."""
    command = _salus("load", *map(str, sources), "--json", "--data", str(data))
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running,
        _watched(running.pid) as peak,
    ):
        output, _ = running.communicate()
    return json.loads(output), peak[0]


async def _ceiling(data: Path, sources: list[Path]) -> float:
    """Return resources a second that COPY stores when everything is encoded already, in the same tables."""
    async with open_services(data) as (_, services):
        chunks = _encoded(sources, services.keys.search)
        with embedded_server(data) as url:
            return await copy_rate(url, chunks)


def _encoded(sources: list[Path], key: bytes) -> list[list[Encoded]]:
    rows: list[Encoded] = []
    for file in find_files([str(source) for source in sources], None):
        setting = Setting(file.source, file.path, key, datetime(2026, 1, 1, tzinfo=UTC), Limits())
        with open_file(file) as (stream, _):
            found = find(file.path, b"")
            assert found is not None
            for unit in found.read(stream, Limits()):
                rows += prepare(unit, setting).encoded
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


def _node_memory(data: Path, port: int) -> float:
    """Return the memory of a serving node and its workers without PostgreSQL, in MB, once it answers."""
    command = _salus("serve", "--data", str(data), "--stop-with-input")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        try:
            _wait_for(port)
            for _ in range(50):
                _ask(port)
            return _tree_mb(running.pid)
        finally:
            running.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            _ask(port)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the node does not answer")


def _ask(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while connection.recv(1 << 16):
            pass


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """Measure the process tree five times a second; the item is its peak, in MB."""
    peak = [0.0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            peak[0] = max(peak[0], _tree_mb(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _tree_mb(pid: int) -> float:
    """Return the resident memory of a process and its descendants but PostgreSQL, in MB."""
    total = 0.0
    pending = [pid]
    while pending:
        one = pending.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text()
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                pending += [int(child) for child in children.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if fields.get("Name", "").strip() != "postgres":
            total += int(fields.get("VmRSS", "0 kB").split()[0]) / 1024
    return total


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
