"""`python -m conformance.scoreboard.attacks.guard RECORD WORDS...` runs `salus WORDS...`, locked in.

Every name the process looks up and every address it connects to that is not of this machine is refused,
and becomes a line of RECORD. Python's own sockets are seen by its audit events (PEP 578); uvloop's, which
raise none, by the methods of its loop that open them.
"""

from __future__ import annotations

import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvloop

from salus.cli.main import main

_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_LEAVING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


def is_outside(host: object) -> bool:
    """Return whether a host is not this machine; a path (of a Unix socket) and no host at all are."""
    if not isinstance(host, str | bytes) or not host:
        return False
    name = host.decode("utf-8", "replace") if isinstance(host, bytes) else host
    if name == "localhost" or name.startswith(("/", "\0")):
        return False
    try:
        return not ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return True


def watch(record: Path) -> None:
    """Refuse and write down, from now on, whatever leads out of this machine."""

    def refuse(host: object) -> None:
        if is_outside(host):
            with record.open("a", encoding="utf-8") as lines:
                lines.write(f"{host!r}\n")
            raise OSError(f"the guard lets nothing out: {host!r}")

    def heard(event: str, arguments: tuple[Any, ...]) -> None:  # Any: each event has its own
        if event in _LOOKUPS:
            refuse(arguments[0])
        elif event in _LEAVING and isinstance(arguments[1], tuple):
            refuse(arguments[1][0])

    class GuardedLoop(uvloop.Loop):
        """The event loop, whose look-ups and connections are judged first."""

        async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:  # Any: as in asyncio
            refuse(options.get("host", next(iter(arguments), None)))
            return await super().getaddrinfo(*arguments, **options)

        async def create_connection(self, *arguments: Any, **options: Any) -> Any:  # Any: as in asyncio
            refuse(options.get("host", next(iter(arguments[1:]), None)))
            return await super().create_connection(*arguments, **options)

    sys.addaudithook(heard)
    uvloop.Loop = GuardedLoop  # type: ignore[misc]  # what uvloop.run makes


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
