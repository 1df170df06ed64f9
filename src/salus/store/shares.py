"""Work on many bytes: beside the event loop, and no more of it for one caller than their share.

Whoever patches a large resource or turns it into XML takes time of a few threads and of nobody else. It is
counted for each caller, and runs down minute by minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

from salus.core.access import Caller
from salus.core.errors import Throttled

LARGE_BYTES = 256 * 1024
"""Work on more bytes than this is done in a thread, so that other requests go on meanwhile."""
THREADS = 2
SECONDS_A_BYTE = 4e-7
"""What counts for a byte until the work is done and its cost known: rather much, so that few are underway."""
CALLERS_MAX = 10_000
WINDOW_SECONDS = 60.0

P = ParamSpec("P")
T = TypeVar("T")
Key = tuple[str, str]


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="large")


async def beside(size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Return what the work returns: at once for few bytes, from a thread for more than `LARGE_BYTES`.

    At most `THREADS` of these works run at a time; others wait for their turn.
    """
    if size <= LARGE_BYTES:
        return work(*arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_threads(), lambda: work(*arguments, **named))


class Shares:
    """What large work has cost of late, caller by caller. Belongs to one event loop.

    Args:
        seconds_max: processor time that one caller's large work may have cost within a minute.
    """

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._spent: dict[Key, tuple[float, float]] = {}

    def of(self, caller: Caller) -> Share:
        """Return the share of a caller."""
        return Share(self, (caller.issuer, caller.subject))

    def begin(self, key: Key, size: int) -> float:
        """Let a large work begin; return the seconds that count until its cost is known.

        Raises:
            Throttled: the caller has had their share, or what is underway will take it.
        """
        if self.spent(key) >= self._seconds_max:
            raise Throttled(
                "Your requests about large resources had their time for a minute: wait before the next."
            )
        expected = min(size * SECONDS_A_BYTE, self._seconds_max)
        self.add(key, expected)
        return expected

    def add(self, key: Key, seconds: float) -> None:
        """Count seconds more, or fewer, for a caller."""
        if len(self._spent) >= CALLERS_MAX:
            self._spent = {one: known for one, known in self._spent.items() if self.spent(one)}
        self._spent[key] = (max(0.0, self.spent(key) + seconds), time.monotonic())

    def spent(self, key: Key) -> float:
        """Return the seconds that count for a caller now."""
        seconds, at = self._spent.get(key, (0.0, 0.0))
        return max(0.0, seconds - (time.monotonic() - at) * self._seconds_max / WINDOW_SECONDS)


class Share:
    """One caller's share: does work as `beside` does, and counts what it costs them."""

    __slots__ = ("_key", "_shares")

    def __init__(self, shares: Shares, key: Key) -> None:
        self._shares = shares
        self._key = key

    async def beside(self, size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return what the work returns.

        Raises:
            Throttled: the work is large, and the caller has had their share.
        """
        if size <= LARGE_BYTES:
            return work(*arguments, **named)
        cost = 0.0

        def timed() -> T:
            nonlocal cost
            began = time.thread_time()
            try:
                return work(*arguments, **named)
            finally:
                cost = time.thread_time() - began

        expected = self._shares.begin(self._key, size)
        try:
            return await beside(size, timed)
        finally:
            self._shares.add(self._key, cost - expected)
