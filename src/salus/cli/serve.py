"""`salus serve`: runs the node until Ctrl-C or SIGTERM.

What bounds its connections, and why here, is in docs/decisions/0011-held-connections.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Awaitable
from pathlib import Path

import msgspec
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from salus.cli.command import Command
from salus.cli.terminal import say
from salus.core.errors import SettingsInvalid
from salus.core.limits import Limits
from salus.node import Node, collect_seldom, open_node
from salus.settings import Settings, read_settings
from salus.web.connections import Debt, Peer, excess, open_connections, shut, slow

BACKLOG = 1024
HEAD_BYTES_MAX = 64 * 1024
"""Most bytes of a request's line and headers; also what a connection buffers of a body."""
LOOK_SECONDS = 1.0
"""Between two looks at the connections: some microseconds each."""
OTHER_FILES = 256
"""Open files beyond the connections: database, peers, code, logs."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--stop-with-input", action="store_true", help="also stop when standard input ends (for a supervisor)"
    )
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Serve in this process, or, with several workers, in one process each."""
    settings = read_settings(options.data)
    if not options.worker:
        _check_port_is_free(settings)
    if settings.workers > 1 and not options.worker:
        return uvloop.run(_supervise(options.data, settings, with_input=options.stop_with_input))
    serving = _serve(options.data, settings, announce=not options.worker, with_input=options.stop_with_input)
    return uvloop.run(serving)


async def _serve(data: Path, settings: Settings, *, announce: bool, with_input: bool) -> int:
    """Open the node, listen, and close everything when told to stop."""
    told = _told_to_stop(with_input=with_input)
    limits = _bounded(settings.limits)
    async with open_node(data) as node:
        collect_seldom()
        # HTTP/1.1 alone: in the mode that also takes HTTP/2, nothing times a connection that sends nothing.
        server = Server(
            node.application, settings.host, settings.port, interface=Interfaces.ASGINL,
            http=HTTPModes.http1, websockets=False, backlog=BACKLOG, log_enabled=False,
            backpressure=limits.connections_max,
            http1_settings=HTTP1Settings(
                header_read_timeout=limits.headers_ms_max, max_buffer_size=HEAD_BYTES_MAX
            ),
        )  # fmt: skip
        serving = asyncio.create_task(server.serve())
        await _listening(settings, serving)
        guarding = asyncio.create_task(_guard(node, settings.port, limits))
        say(_ready(settings) if announce else "ready", flush=True)
        await _first_of(serving, guarding, told.wait())
        guarding.cancel()
        server.stop()  # type: ignore[no-untyped-call]  # granian does not annotate it
        await serving
    return 0


async def _guard(node: Node, port: int, limits: Limits) -> None:
    """Close, again and again, the connections that are too many or read too slowly."""
    loop = asyncio.get_running_loop()
    debts: dict[Peer, Debt] = {}
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        found = await asyncio.to_thread(open_connections, port)
        late, debts = slow(found, debts, limits, now=loop.time())
        for connection in {*late, *excess(found, node.underway, limits)}:
            shut(connection, port)


def _bounded(limits: Limits) -> Limits:
    """Return the limits with as many connections as this process may have open files, raised if they may be.

    Without a file for each, the server would fail to accept a connection and try again without end.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections_max + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    return msgspec.structs.replace(limits, connections_max=max(1, soft - OTHER_FILES))


async def _supervise(data: Path, settings: Settings, *, with_input: bool) -> int:
    """Run one child process per worker; stop them all when one ends or we are told to stop.

    The workers share the port (SO_REUSEPORT) and the database. A worker's standard input is a pipe of
    ours, so that none survives us, however we end.
    """
    told = _told_to_stop(with_input=with_input)
    command = ["-m", "salus.cli.main", "serve", "--data", str(data), "--worker", "--stop-with-input"]
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        for _ in range(settings.workers)
    ]
    outputs = [worker.stdout for worker in workers if worker.stdout is not None]
    if all([await output.readline() for output in outputs]):
        say(_ready(settings), flush=True)
    await _first_of(told.wait(), *(worker.wait() for worker in workers))
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
    codes = [await worker.wait() for worker in workers]
    return 0 if told.is_set() else max(1, *map(abs, codes))


def _ready(settings: Settings) -> str:
    workers = f" with {settings.workers} workers" if settings.workers > 1 else ""
    return f"Salus node {settings.node} listens at {settings.base_url}{workers} (Ctrl-C stops it)"


def _told_to_stop(*, with_input: bool) -> asyncio.Event:
    """Return an event that Ctrl-C, SIGTERM and, when asked, the end of standard input set.

    A pipe whose other end is gone reads as its end: the supervisor has stopped or was killed.
    """
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)

    def read() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            told.set()

    if with_input:
        loop.add_reader(0, read)
    return told


async def _listening(settings: Settings, serving: asyncio.Task[None]) -> None:
    """Return when the port takes connections, or the server has ended instead."""
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(settings.host, settings.port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        return


async def _first_of(*awaited: Awaitable[object]) -> None:
    """Return when one of them is done; the event loop ends the others when it closes."""
    tasks = [asyncio.ensure_future(each) for each in awaited]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def _check_port_is_free(settings: Settings) -> None:
    """Refuse a port that another program listens at; workers would silently share it with a second node.

    Raises:
        SettingsInvalid: the port is taken or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingsInvalid(
                f"cannot listen at {settings.host}:{settings.port} ({error.strerror}); "
                "stop what listens there, or change port and base_url in salus.toml"
            ) from error


COMMAND = Command("serve", "Run the node until Ctrl-C.", arguments, run)
