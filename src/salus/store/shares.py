"""Work on many bytes: beside the event loop, and no more of it for one caller than their share.

Whoever patches a large resource or turns it into XML takes time of a few threads and of nobody else. It is
counted for each caller, and runs down minute by minute. One work of a caller is done at a time, so that
callers take turns at the threads. What a Bundle asks for counts together, however small each entry.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

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

_bundle: ContextVar[Share | None] = ContextVar("_bundle", default=None)
"""The share of the Bundle that is being processed; its entries are not told of it."""


@cache
def _threads(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix=name)


async def beside(size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Return what the work returns: at once for few bytes, from a thread for more than `LARGE_BYTES`.

    At most `THREADS` of these works run at a time; others wait for their turn. They do not stand in the way
    of what is at a caller's charge.
    """
    if size <= LARGE_BYTES:
        return work(*arguments, **named)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads("large"), lambda: work(*arguments, **named))


class Shares:
    """What large work has cost of late, caller by caller. Belongs to one event loop.

    Args:
        seconds_max: processor time that one caller's large work may have cost within a minute.
        pool: name of the threads that do it; work of another name does not wait for it.
    """

    def __init__(self, seconds_max: float, pool: str = "charged") -> None:
        self._seconds_max = seconds_max
        self._pool = pool
        self._spent: dict[Key, tuple[float, float]] = {}
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    def of(self, caller: Caller) -> Share:
        """Return the share of a caller: within a Bundle the one of all its entries."""
        return _bundle.get() or Share(self, (caller.issuer, caller.subject))

    @contextmanager
    def bundle_of(self, caller: Caller) -> Iterator[None]:
        """Count together what is asked of a caller's share until the end, as one work of so many bytes."""
        token = _bundle.set(Share(self, (caller.issuer, caller.subject)))
        try:
            yield
        finally:
            _bundle.reset(token)

    def turn(self, key: Key) -> asyncio.Lock:
        """Return what the large works of a caller hold one after the other."""
        return self._turns.setdefault(key, asyncio.Lock())

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

    async def charge(
        self, key: Key, size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Do work in a thread, one of a caller at a time; count what it costs them, return what it returns.

        Raises:
            Throttled: the caller has had their share.
        """
        cost = 0.0

        def timed() -> T:
            nonlocal cost
            began = time.thread_time()
            try:
                return work(*arguments, **named)
            finally:
                cost = time.thread_time() - began

        expected = self.begin(key, size)
        try:
            async with self.turn(key):
                return await asyncio.get_running_loop().run_in_executor(_threads(self._pool), timed)
        finally:
            self.add(key, cost - expected)

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
    """One caller's share, for a request: does work as `beside` does, and counts what it costs them."""

    __slots__ = ("_bytes", "_key", "_shares")

    def __init__(self, shares: Shares, key: Key) -> None:
        self._shares = shares
        self._key = key
        self._bytes = 0

    async def beside(self, size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return what the work returns.

        The bytes of all works so far tell whether it is large, not only its own.

        Raises:
            Throttled: the work is large, and the caller has had their share.
        """
        self._bytes += size
        if self._bytes <= LARGE_BYTES:
            return work(*arguments, **named)
        return await self._shares.charge(self._key, size, work, *arguments, **named)
