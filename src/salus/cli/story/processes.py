"""Nodes as processes of their own: made, started, stopped, and none left behind.

A node's standard input is a pipe of ours: when we end, however we end, it reads the end and stops, and its
embedded database with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from pathlib import Path

import msgspec

from salus.core.errors import SalusError
from salus.settings import EMBEDDED, Settings, read_settings
from salus.store.embedded import embedded_server

COMMAND = (sys.executable, "-m", "salus.cli.main")
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30


class CommandFailed(SalusError):
    """A command of ours ended with another exit code than 0."""

    issue, status = "exception", 500


class Running(msgspec.Struct, frozen=True):
    """A node that serves: its folder, settings and process."""

    data: Path
    settings: Settings
    process: asyncio.subprocess.Process

    @property
    def is_alive(self) -> bool:
        """Return whether the process still runs."""
        return self.process.returncode is None


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nothing listens at, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


async def run_command(*arguments: str | Path, data: Path) -> str:
    """Run `salus ARGUMENTS --data DATA` and return what it prints.

    Raises:
        CommandFailed: its exit code is not 0; the message holds the end of what it said.
    """
    code, output, errors = await try_command(*arguments, data=data)
    if code != 0:
        said = (errors.strip() or output.strip())[-400:]
        raise CommandFailed(f"salus {' '.join(map(str, arguments[:2]))} ended with {code}: {said}")
    return output


async def try_command(*arguments: str | Path, data: Path) -> tuple[int, str, str]:
    """Run `salus ARGUMENTS --data DATA` and return its exit code, output and errors."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *map(str, arguments), "--data", str(data),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    return process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace")


async def start(data: Path) -> Running:
    """Start the node in folder `data` and return when it listens.

    Raises:
        CommandFailed: it ended instead, or did not listen in time; the message holds the end of its log.
    """
    log = data / "serve.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "serve", "--stop-with-input", "--data", str(data),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors,
            start_new_session=True,
        )  # fmt: skip
    running = Running(data, read_settings(data), process)
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS_MAX)
    except TimeoutError:
        line = b""
    if b"listens" not in line:
        await stop(running)
        said = log.read_text(errors="replace").strip()[-600:]
        raise CommandFailed(f"node {running.settings.node} does not start: {said or 'it said nothing'}")
    return running


async def stop(running: Running) -> None:
    """Stop the node, by force if it does not stop itself, and its embedded database if it was left behind."""
    process = running.process
    if running.is_alive:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            process.kill()
            await process.wait()
    if running.settings.database == EMBEDDED and (running.data / "postgres").exists():
        await asyncio.to_thread(_leave_no_database, running.data)


def _leave_no_database(data: Path) -> None:
    """Stop the embedded server of a node that was killed: entering and leaving as its last user does."""
    if (data / "postgres" / "postmaster.pid").exists():
        with embedded_server(data):
            pass


def freeze(running: Running) -> None:
    """Stop the process where it is: it keeps its port and answers nothing, as an overloaded node does."""
    running.process.send_signal(signal.SIGSTOP)


def thaw(running: Running) -> None:
    """Let a frozen process go on."""
    running.process.send_signal(signal.SIGCONT)
