"""Counts of checks and exchanges, added up in memory and written some seconds later (docs/decisions/0047)."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

import msgspec

from salus.core.tally import MS_AT_MOST, Kind, Outcome, System, Tally, class_of, named
from salus.standards.fhir.profiles.brief import Brief
from salus.store.postgres import Connection, Database

HELD_MAX = 500
"""Kinds of row that a process holds between two writings; of more, names are counted as OTHER."""

OTHER = "other"
KEPT_DAYS = 3 * 366
FIRST_SEEN_DAYS = 90
ROWS_MAX = 100_000
"""Most rows that are read at once."""

_KEYS = "kind, way, system, vendor, country, category, profile, outcome, code, is_first"
_ADD = f"""
INSERT INTO tally AS known (day, {_KEYS}, count, ms_sum, ms_classes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (day, {_KEYS}) DO UPDATE SET
    count = known.count + excluded.count, ms_sum = known.ms_sum + excluded.ms_sum,
    ms_classes = (SELECT array_agg(a.n + b.n ORDER BY a.place)
                  FROM unnest(known.ms_classes) WITH ORDINALITY a (n, place)
                  JOIN unnest(excluded.ms_classes) WITH ORDINALITY b (n, place) USING (place))
"""  # noqa: S608 - of constants
_SET = f"""
INSERT INTO tally (day, {_KEYS}, count, ms_sum, ms_classes)
VALUES ($1, $2, $3, '', '', '', $4, '', $5, '', false, $6, 0, '{{}}')
ON CONFLICT (day, {_KEYS}) DO UPDATE SET count = excluded.count
"""  # noqa: S608 - of constants
_READ = f"""
SELECT day, {_KEYS}, count, ms_sum, ms_classes FROM tally
WHERE day BETWEEN $1 AND $2 ORDER BY day DESC, {_KEYS} LIMIT {ROWS_MAX}
"""  # noqa: S608 - of constants
_FIRST = "INSERT INTO first_seen (digest, day) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true"


class Counted(msgspec.Struct, frozen=True):
    """How often something was counted on a day.

    Args:
        day: UTC.
        tally: what.
        count: how often, >= 0.
        ms_sum: milliseconds in all, 0 where no time was taken.
        ms_classes: how many took at most `MS_AT_MOST`, the last longer; empty of what takes no time.
    """

    day: date
    tally: Tally
    count: int
    ms_sum: float = 0.0
    ms_classes: tuple[int, ...] = ()


class _Sum:
    def __init__(self) -> None:
        self.count = 0
        self.ms_sum = 0.0
        self.ms_classes = [0] * (len(MS_AT_MOST) + 1)


class Tallies:
    """What this process has counted since it last wrote."""

    def __init__(self) -> None:
        self._sums: dict[tuple[date, Tally], _Sum] = {}

    def count(self, tally: Tally, now: datetime, milliseconds: float = 0.0) -> None:
        """Count one event."""
        key = (now.date(), tally)
        if key not in self._sums and len(self._sums) >= HELD_MAX:
            key = (now.date(), _unnamed(tally))
        held = self._sums.setdefault(key, _Sum())
        held.count += 1
        held.ms_sum += milliseconds
        held.ms_classes[class_of(milliseconds)] += 1

    def take(self) -> list[Counted]:
        """Return what was counted, and begin again."""
        taken, self._sums = self._sums, {}
        return [
            Counted(day, tally, held.count, held.ms_sum, tuple(held.ms_classes))
            for (day, tally), held in taken.items()
        ]


def tallies_of_check(
    way: str, system: str, brief: Brief, systems: Mapping[str, System], *, is_first: bool
) -> list[Tally]:
    """Return what is counted of a check: the check, and each rule that the file breaks.

    Args:
        way: how the file came.
        system: where it comes from.
        brief: the check in few words.
        systems: those that the operator registered, by source; what they say of the vendor counts.
        is_first: whether the document was not checked before.
    """
    registered = systems.get(system)
    check = Tally(
        Kind.CHECK,
        way,
        named(system),
        named(registered.vendor if registered else brief.vendor),
        registered.country if registered else "",
        brief.category,
        named(brief.profile),
        (Outcome.INVALID if brief.faults else Outcome.VALID).value,
        is_first=is_first,
    )
    faults = (
        msgspec.structs.replace(check, kind=Kind.FAULT, outcome="", code=named(rule), is_first=False)
        for rule in brief.faults
    )
    return [check, *faults]


def _unnamed(tally: Tally) -> Tally:
    """Return what is counted instead when there are too many names."""
    return Tally(tally.kind, tally.way, OTHER, OTHER, OTHER, outcome=tally.outcome, is_first=tally.is_first)


async def write_tallies(database: Database, tallies: Tallies) -> None:
    """Add what a process has counted to the counts of its days."""
    taken = tallies.take()
    if not taken:
        return
    ordered = sorted(taken, key=lambda one: (one.day, msgspec.structs.astuple(one.tally)))
    rows = [
        (one.day, *msgspec.structs.astuple(one.tally), one.count, one.ms_sum, list(one.ms_classes))
        for one in ordered  # in one order, so that two processes do not wait for each other
    ]
    async with database.system() as connection, connection.transaction():
        await connection.executemany(_ADD, rows)


async def set_level(database: Database, day: date, *, category: str, outcome: str, count: int) -> None:
    """Keep how many citizens something is true of on a day, instead of what was kept of that day before."""
    async with database.system() as connection:
        await connection.execute(_SET, day, Kind.CITIZENS.value, "survey", category, outcome, count)


async def read_tallies(database: Database, first: date, last: date) -> list[Counted]:
    """Return the counts of the days from first to last, the newest first, at most `ROWS_MAX`."""
    async with database.system() as connection:
        rows = await connection.fetch(_READ, first, last)
    return [
        Counted(row[0], Tally(Kind(row[1]), *row[2:11]), row[11], row[12], tuple(row[13])) for row in rows
    ]


async def is_first(
    database: Database, key: bytes, system: str, identifiers: Iterable[str], day: date
) -> bool:
    """Return whether a document is seen for the first time, as `seen_first`."""
    async with database.system() as connection:
        return await seen_first(connection, key, system, identifiers, day)


async def seen_first(
    connection: Connection, key: bytes, system: str, identifiers: Iterable[str], day: date
) -> bool:
    """Return whether a document, by its own identifier, is seen for the first time.

    Args:
        connection: to the node's database.
        key: the node's secret for hashes.
        system: whence it comes.
        identifiers: of the document; of one without any it is not known, and not counted as first.
        day: today, UTC.
    """
    own = "|".join(sorted(identifiers))
    if not own:
        return False
    digest = hmac.digest(key, f"first seen\n{system}\n{own}".encode(), "sha256")
    return bool(await connection.fetchval(_FIRST, digest, day))


async def forget_tallies(database: Database, today: date) -> None:
    """Remove counts older than three years, and what says whether a document was seen, after 90 days."""
    async with database.system() as connection:
        await connection.execute("DELETE FROM tally WHERE day < $1", today - timedelta(days=KEPT_DAYS))
        await connection.execute(
            "DELETE FROM first_seen WHERE day < $1", today - timedelta(days=FIRST_SEEN_DAYS)
        )
