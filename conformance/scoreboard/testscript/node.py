"""A fresh node on loopback, as a user starts one, for suites that speak HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

_SALUS = (sys.executable, "-m", "salus.cli.main")
_LIFE_SECONDS = "3600"
_STOP_SECONDS_MAX = 60


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _salus(*words: str) -> str:
    done = subprocess.run([*_SALUS, *words], capture_output=True, text=True, check=True)  # noqa: S603  ours
    return done.stdout


@contextmanager
def running_node() -> Iterator[httpx.Client]:
    """Yield a client whose base is the node's FHIR address, logged in as its operator."""
    with tempfile.TemporaryDirectory() as scratch:
        data = str(Path(scratch) / "node")
        port = _free_port()
        _salus(
            *("node", "init", "--data", data, "--country", "EE", "--name", "Scoreboard"),
            *("--port", str(port), "--demo"),
        )
        with subprocess.Popen(  # noqa: S603  our own command
            [*_SALUS, "serve", "--stop-with-input", "--data", data],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdout.readline()  # says where it listens, once it does
                token = _salus("token", "--data", data, "--role", "operator", "--seconds", _LIFE_SECONDS)
                with httpx.Client(
                    base_url=f"http://127.0.0.1:{port}/fhir/",
                    headers={"authorization": f"Bearer {token.strip().splitlines()[-1]}"},
                    trust_env=False,
                    timeout=60,
                ) as client:
                    yield client
            finally:
                process.stdin.close()
                process.wait(_STOP_SECONDS_MAX)
