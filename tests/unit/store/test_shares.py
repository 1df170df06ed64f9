"""Large work goes on beside the event loop, and one caller has so much of it."""

import threading
import time

import pytest

from salus.core.errors import Throttled
from salus.store.shares import LARGE_BYTES, Shares, beside

LARGE = LARGE_BYTES + 1


def busy(seconds):
    """Take processor time, not only time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def test_work_on_many_bytes_is_done_beside_the_event_loop(caller):
    here = threading.get_ident()
    share = Shares(10).of(caller())
    for work in (beside, share.beside):
        assert await work(LARGE_BYTES, threading.get_ident) == here
        assert await work(LARGE, threading.get_ident) != here


async def test_a_caller_who_had_their_share_waits_and_others_do_not(caller):
    shares = Shares(0.02)
    one, other = shares.of(caller()), shares.of(caller(subject="s-2"))
    await one.beside(LARGE, busy, 0.05)
    with pytest.raises(Throttled):
        await one.beside(LARGE, busy, 0)
    await other.beside(LARGE, busy, 0)
    await one.beside(LARGE_BYTES, busy, 0)


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
