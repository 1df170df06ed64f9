"""Counting of documents that a load checks on arrival (docs/decisions/0047)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from salus.core.tally import System
from salus.intake.judged import Judged
from salus.store.postgres import Connection
from salus.store.tallies import Tallies, seen_first, tallies_of_check

WAY = "load"


class Counting:
    """Counts of one load.

    Args:
        key: the node's secret for hashes.
        systems: registered systems by their source.
    """

    def __init__(self, key: bytes, systems: Mapping[str, System]) -> None:
        self.tallies = Tallies()
        self._key = key
        self._systems = systems

    async def count(self, connection: Connection, source: str, judged: Judged, now: datetime) -> None:
        """Count one document, in the transaction that stores it."""
        own = judged.identifiers if judged.brief.category else ()
        first = await seen_first(connection, self._key, source, own, now.date())
        for tally in tallies_of_check(WAY, source, judged.brief, self._systems, is_first=first):
            self.tallies.count(tally, now, judged.milliseconds)
