"""What sealing contents at rest costs: reads by id and a load, beside a node whose contents are in clear.

Both nodes run in one run and are asked in turn, so that noise of the machine hits both.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

from bench._unsealed import unsealed
from bench.load import _data_set
from bench.read import CONNECTIONS, SECONDS, _ask, _citizen, _fill, _free_port, _process, _wait_for, _wish
from salus.node import open_services
from salus.store.embedded import embedded_server

COST_MAX = 0.20
PATIENTS = 500
ROUNDS = 9
LOADS = 3


def figures() -> list[dict[str, Any]]:
    """Return the cost of reads and of loads, with the rates, and what a row takes on disk."""
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        nodes = {name: Path(folder) / name for name in ("sealed", "clear")}
        ports = {name: _free_port() for name in nodes}
        for name, data in nodes.items():
            words = ["node", "init", "--country", "PT", "--name", "Bench", "--port", str(ports[name])]
            command = [sys.executable, "-m", "salus.cli.main", *words, "--data", str(data)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [*asyncio.run(_reads(nodes, ports)), *_loads(nodes, Path(folder))]


async def _reads(nodes: dict[str, Path], ports: dict[str, int]) -> list[dict[str, Any]]:
    wishes = {}
    for name, data in nodes.items():
        with unsealed() if name == "clear" else nullcontext():
            async with open_services(data) as (_, services):
                rows = await _fill(services)
                wishes[name] = _wish(services, rows, [_citizen(number) for number in range(PATIENTS)])
    rates: dict[str, list[float]] = {name: [] for name in nodes}
    with (
        _serving(nodes["sealed"], ports["sealed"], "_read_server"),
        _serving(nodes["clear"], ports["clear"], "_unsealed", "serve"),
    ):
        for name in nodes:
            await asyncio.to_thread(_ask, ports[name], wishes[name], 1.0)
        for _ in range(ROUNDS):
            for name in nodes:
                told = await asyncio.to_thread(_ask, ports[name], wishes[name], SECONDS)
                rates[name].append(told["requests"] / told["seconds"])
    return _compared("reads", rates, f"requests/s, {CONNECTIONS} connections")


@contextmanager
def _serving(data: Path, port: int, module: str, *words: str) -> Iterator[None]:
    with (
        embedded_server(data),
        _process([sys.executable, "-m", f"bench.{module}", *words, str(port), str(data)]),
    ):
        _wait_for(port)
        yield


def _loads(nodes: dict[str, Path], folder: Path) -> list[dict[str, Any]]:
    rates: dict[str, list[float]] = {name: [] for name in nodes}
    modules = {"sealed": "salus.cli.main", "clear": "bench._unsealed"}
    for number in range(LOADS):
        source = _data_set(folder / f"source{number}")
        for name, data in nodes.items():
            words = ["load", str(source), "--json", "--data", str(data)]
            command = [sys.executable, "-m", modules[name], *words]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rates[name].append(json.loads(done.stdout)["resources_per_second"])
    return _compared("load", rates, "resources/s")


def _compared(what: str, rates: dict[str, list[float]], unit: str) -> list[dict[str, Any]]:
    cost = median(1 - ours / clear for ours, clear in zip(rates["sealed"], rates["clear"], strict=True))
    return [
        _figure(f"sealing_share_of_{what}", round(cost, 3), "ratio", COST_MAX, met=cost <= COST_MAX),
        _figure(f"{what}_sealed", round(median(rates["sealed"])), unit),
        _figure(f"{what}_in_clear", round(median(rates["clear"])), unit),
    ]


def _figure(
    name: str, value: float, unit: str, target: float | None = None, *, met: bool = True
) -> dict[str, Any]:
    return {"figure": name, "value": value, "unit": unit, "target": target, "met": met}
