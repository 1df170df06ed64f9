"""A fresh node on loopback, as a user starts one, for suites that speak HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

SALUS = ("-m", "salus.cli.main")
"""What Python runs as `salus`."""
_HOUSE = Path(__file__).resolve().parent.parent.parent
_LIFE_SECONDS = "3600"
_STOP_SECONDS_MAX = 60


class Served(msgspec.Struct, frozen=True):
    """A node that is being served: its folder, its port on 127.0.0.1, the file of its standard error."""

    data: Path
    port: int
    log: Path


def salus(*words: str) -> str:
    """Run a command of ours; return what it prints."""
    command = [sys.executable, *SALUS, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  ours
    return done.stdout


@contextmanager
def served_node(program: Sequence[str] = SALUS) -> Iterator[Served]:
    """Yield a fresh node of a demonstration, served until the context ends.

    Args:
        program: what Python runs to serve it; takes the words of `salus`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        served = Served(Path(scratch) / "node", _free_port(), Path(scratch) / "serve.log")
        salus(
            *("node", "init", "--data", str(served.data), "--country", "EE", "--name", "Scoreboard"),
            *("--port", str(served.port), "--demo"),
        )
        with (
            served.log.open("wb") as errors,
            subprocess.Popen(  # noqa: S603  our own command
                [sys.executable, *program, "serve", "--stop-with-input", "--data", str(served.data)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=_HOUSE,
            ) as process,
        ):
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdout.readline()  # says where it listens, once it does
                yield served
            finally:
                process.stdin.close()
                process.wait(_STOP_SECONDS_MAX)


@contextmanager
def running_node() -> Iterator[httpx.Client]:
    """Yield a client whose base is a fresh node's FHIR address, logged in as its operator."""
    with served_node() as served:
        token = salus("token", "--data", str(served.data), "--role", "operator", "--seconds", _LIFE_SECONDS)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{served.port}/fhir/",
            headers={"authorization": f"Bearer {token.strip().splitlines()[-1]}"},
            trust_env=False,
            timeout=60,
        ) as client:
            yield client


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
