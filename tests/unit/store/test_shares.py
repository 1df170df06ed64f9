"""Large work goes on beside the event loop, and one caller has so much of it."""

import asyncio
import threading
import time

import pytest

from salus.core.errors import Throttled
from salus.store.shares import LARGE_BYTES, THREADS, Shares, beside

LARGE = LARGE_BYTES + 1


class Held:
    """A work that is underway until it is let go."""

    def __init__(self):
        self.begun, self.over = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.over.wait(20)


def busy(seconds):
    """Take processor time, not only time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def test_work_on_many_bytes_is_done_beside_the_event_loop(caller):
    here = threading.get_ident()
    for work in (beside, Shares(10).of(caller()).beside):
        assert await work(LARGE_BYTES, threading.get_ident) == here
        assert await work(LARGE, threading.get_ident) != here


async def test_callers_take_turns_with_one_work_each(caller):
    shares = Shares(10)
    works = [Held() for _ in range(3)]
    first, second = (asyncio.create_task(shares.of(caller()).beside(LARGE, work)) for work in works[:2])
    assert await asyncio.to_thread(works[0].begun.wait, 20)
    third = asyncio.create_task(shares.of(caller(subject="s-2")).beside(LARGE, works[2]))
    assert await asyncio.to_thread(works[2].begun.wait, 20)
    assert not works[1].begun.is_set()
    for work in works:
        work.over.set()
    await asyncio.gather(first, second, third)


async def test_what_is_no_callers_stands_in_nobodys_way(caller):
    works = [Held() for _ in range(THREADS)]
    tasks = [asyncio.create_task(beside(LARGE, work)) for work in works]
    for work in works:
        assert await asyncio.to_thread(work.begun.wait, 20)
    await Shares(10).of(caller()).beside(LARGE, busy, 0)
    for work in works:
        work.over.set()
    await asyncio.gather(*tasks)


async def test_the_entries_of_a_bundle_count_together(caller):
    here = threading.get_ident()
    shares = Shares(10)
    with shares.bundle_of(caller()):
        assert await shares.of(caller()).beside(LARGE_BYTES, threading.get_ident) == here
        assert await shares.of(caller()).beside(1, threading.get_ident) != here
    assert await shares.of(caller()).beside(1, threading.get_ident) == here


async def test_a_caller_who_had_their_share_waits_and_others_do_not(caller):
    shares = Shares(0.02)
    one, other = shares.of(caller()), shares.of(caller(subject="s-2"))
    await one.beside(LARGE, busy, 0.05)
    with pytest.raises(Throttled):
        await one.beside(LARGE, busy, 0)
    await other.beside(LARGE, busy, 0)
    await shares.of(caller()).beside(LARGE_BYTES, busy, 0)


async def test_work_that_fails_is_counted_as_well(caller):
    shares = Shares(0.02)
    share = shares.of(caller())

    def fail():
        busy(0.05)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await share.beside(LARGE, fail)
    with pytest.raises(Throttled):
        await share.beside(LARGE, busy, 0)


async def test_work_underway_counts_before_its_cost_is_known(caller):
    shares = Shares(10)
    share = shares.of(caller())
    seen = []
    key = (caller().issuer, caller().subject)
    await share.beside(10_000_000, lambda: seen.append(shares.spent(key)))
    assert seen[0] > 3
    assert shares.spent(key) < 1
