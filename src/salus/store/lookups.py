"""How many patients a node has looked up this minute and this day (UTC), one count for all processes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from salus.store.postgres import Database

WHOLE_DAY = -1
_COUNT = """
INSERT INTO looked_up AS known (node, emergency, day, minute, asked) VALUES ($1, $2, $3, $4, 1)
ON CONFLICT (node, emergency, day, minute) DO UPDATE SET asked = known.asked + 1 RETURNING asked
"""
_FORGET = "DELETE FROM looked_up WHERE day < $1"


class Asked(msgspec.Struct, frozen=True):
    """How many look-ups there were, this one among them; `day` is 0 for one beyond the minute's."""

    minute: int
    day: int


async def count_lookup(
    database: Database, node: str, now: datetime, *, emergency: bool, per_minute_max: int
) -> Asked:
    """Count a look-up of the node before it is answered.

    Args:
        database: the node's.
        node: who asks.
        now: when.
        emergency: whether it is asked in one; those are counted apart, so that others do not use them up.
        per_minute_max: one beyond it is refused, and is not taken from the day's.

    Returns:
        The counts; of many at once, each has its own.
    """
    moment = (node, emergency, now.date())
    async with database.system() as connection:
        minute = await connection.fetchval(_COUNT, *moment, now.hour * 60 + now.minute)
        day = 0 if minute > per_minute_max else await connection.fetchval(_COUNT, *moment, WHOLE_DAY)
    return Asked(int(minute), int(day))


async def forget_lookups(database: Database, before: datetime) -> None:
    """Remove the counts of days that ended before."""
    async with database.system() as connection:
        await connection.execute(_FORGET, before.date())
