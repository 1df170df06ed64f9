"""When an answer leaves: on a grid of times and a little beside it, so that how long it took does not tell
what it left out.

A search that leaves hidden rows out is a little slower than one that finds none, a hidden id than a free one
(docs/decisions/0046). Answers wait for the next of four steps in each doubling of the time they took, which
lie far apart beside that difference; timers are coarse beside it too (a millisecond), so that what is left of
it is lost in a random part of a step. What was found by its id was not hidden and does not wait.
"""

from __future__ import annotations

import asyncio
import math
import random
import time

STEP_MS = 4
"""The first steps. Milliseconds."""

STEPS_A_DOUBLING = 4
_beside = random.SystemRandom()


def leaves_after_ms(taken_ms: float, *, beside: float) -> float:
    """Return after how many milliseconds an answer leaves that took `taken_ms` (>= 0) to make.

    Args:
        taken_ms: milliseconds, >= 0.
        beside: what part of a step it leaves after the step, from 0 to 1, drawn at random.
    """
    step = STEP_MS
    while taken_ms > STEPS_A_DOUBLING * step:
        step *= 2
    return step * (max(1, math.ceil(taken_ms / step)) + beside)


async def wait_for_step(started: float) -> None:
    """Wait until the answer may leave to a request that came at `started` (s, of `time.perf_counter`)."""
    taken = time.perf_counter() - started
    await asyncio.sleep(leaves_after_ms(taken * 1_000, beside=_beside.random()) / 1_000 - taken)
