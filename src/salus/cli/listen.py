"""`salus listen`: takes HL7 v2 messages by MLLP until Ctrl-C or SIGTERM.

It is a process of its own beside `salus serve`, which has no connection of the database's owner
(docs/decisions/0048-messages-by-mllp.md).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import uvloop

from salus.cli.command import Command
from salus.cli.operator import operator_of
from salus.cli.terminal import say
from salus.core.access import Action, Grant
from salus.core.errors import SettingsInvalid
from salus.intake.files import check_source
from salus.intake.formats.hl7v2 import MEDIA
from salus.intake.messages import Taking, Way
from salus.node import open_services
from salus.store.postgres import LOADING
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.writing import settling
from salus.web.hl7v2.admission import Admission, admission
from salus.web.hl7v2.listener import Listener
from salus.web.services import Services


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, required=True, metavar="N", help="where to listen, often 2575")
    parser.add_argument(
        "--source", required=True, metavar="URI",
        help="the system that sends: its ids are kept apart from all others (one listener for each system)",
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine)")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="ADDRESS",
        help="address or network (10.1.0.0/16) that may connect; may be repeated (default: any)",
    )  # fmt: skip
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="PEM certificate (chain) of this node")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="PEM key, if it is not in that file")
    parser.add_argument(
        "--client-ca", type=Path, metavar="FILE",
        help="PEM certificate of who certifies senders: they must show a certificate",
    )  # fmt: skip
    parser.add_argument(
        "--in-clear", action="store_true", help="listen beyond this machine without TLS all the same"
    )


def _run(options: argparse.Namespace) -> int:
    check_source(options.source)
    if not 0 <= options.port <= 65_535:
        raise SettingsInvalid(f"--port {options.port} is no port; name one from 1 to 65535.")
    admitted = admission(
        options.host,
        options.allow,
        certificate=options.tls_cert,
        key=options.tls_key,
        client_authority=options.client_ca,
        in_clear=options.in_clear,
    )
    return uvloop.run(_listen(options, admitted))


async def _listen(options: argparse.Namespace, admitted: Admission) -> int:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    async with open_services(options.data, roles=LOADING) as (_, services):
        way = Way(
            source=options.source,
            media=MEDIA,
            key=services.keys.search,
            limits=services.limits,
            default_denies=services.gatehouse.law.default_denies,
            settling=partial(settling, services),
        )
        taking = Taking(partial(_grant, services, options.source), services.database, way)
        listener = Listener(taking.take, admitted, services.limits, services.clock)
        working = asyncio.create_task(taking.run())
        try:
            server = await listener.start(options.host, options.port)
        except OSError as error:
            raise SettingsInvalid(
                f"{options.host} port {options.port} cannot be listened on: {error.strerror or error}. Stop "
                "what listens there, or name another --port."
            ) from error
        port = server.sockets[0].getsockname()[1]
        secured = "TLS" if admitted.tls is not None else "in clear"
        say(f"Messages of {options.source} are taken at {options.host} port {port} ({secured}).", flush=True)
        stopping = asyncio.create_task(told.wait())
        await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        await listener.close()
        if working.done():
            working.result()  # raises what ended it
        working.cancel()
        counts = listener.counts
        say(
            f"{counts.stored:,} messages stored, {counts.refused:,} refused (in quarantine), {counts.lost:,} "
            f"not taken; {counts.turned_away:,} connections turned away."
        )
    return 0


@asynccontextmanager
async def _grant(services: Services, source: str, count: int) -> AsyncIterator[Grant]:
    """Open the gate for so many messages."""
    request = AccessRequest(Action.LOAD, "", f"{count} messages of {source}")
    async with enter(services.gatehouse, operator_of(services), request) as access:
        yield access.grant


COMMAND = Command(
    "listen", "Take HL7 v2 messages by MLLP; each is acknowledged when durable.", _arguments, _run
)
