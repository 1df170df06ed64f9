"""So many works of a kind of one caller run at once; others wait, so that nobody holds all connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from salus.core.access import Caller
from salus.core.errors import Throttled

Key = tuple[str, str]


class Turns:
    """Counts what runs for each caller, by issuer and subject. Belongs to one event loop.

    Args:
        at_once_max: how many may run for one caller.
        wait_seconds: how long one more waits.
        works: what they are, as a caller who has too many is told.
    """

    def __init__(self, at_once_max: int, wait_seconds: float, works: str = "searches") -> None:
        self._at_once_max = at_once_max
        self._wait_seconds = wait_seconds
        self._works = works
        self._known: dict[Key, tuple[asyncio.Semaphore, list[None]]] = {}

    @asynccontextmanager
    async def taken(self, caller: Caller) -> AsyncIterator[None]:
        """Wait for a turn and keep it until the end.

        Raises:
            Throttled: none came in time.
        """
        key = (caller.issuer, caller.subject)
        gate, here = self._known.setdefault(key, (asyncio.Semaphore(self._at_once_max), []))
        here.append(None)
        try:
            try:
                await asyncio.wait_for(gate.acquire(), self._wait_seconds)
            except TimeoutError as error:
                raise Throttled(
                    f"As many {self._works} of yours are running as may at once ({self._at_once_max}): "
                    "wait for them before you send more."
                ) from error
            try:
                yield
            finally:
                gate.release()
        finally:
            here.pop()
            if not here:
                del self._known[key]
