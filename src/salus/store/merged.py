"""Which records were merged into which (`store.persons`): who reads a person's record reads all of it.

Whichever of the records is asked for, the answer is the person's, and the record that stays stands for them.
Only what an operator merged counts, not what a source writes into Patient.link: it opens a further record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

import msgspec

from salus.core.access import Grant
from salus.store import resources
from salus.store.postgres import Database
from salus.store.rows import StoredResource

AGE_MAX = timedelta(seconds=2)
_MERGED = "SELECT patient, other, survivor FROM duplicate WHERE state = 'merged'"
_known: WeakKeyDictionary[Database, tuple[datetime, Merges]] = WeakKeyDictionary()


class Merges(msgspec.Struct, frozen=True):
    """All merges of a node: each record that went, by logical id, with the one that stays."""

    stays: Mapping[str, str]
    goes: Mapping[str, frozenset[str]]

    def survivor(self, patient: str) -> str:
        """Return the record that stands for the person of this one: itself, unless it was merged."""
        seen = {patient}
        while (above := self.stays.get(patient)) is not None and above not in seen:
            seen.add(above)
            patient = above
        return patient

    def beside(self, patients: Iterable[str]) -> frozenset[str]:
        """Return the other records of the same persons, whichever of a person's records is given."""
        if not self.stays:
            return frozenset()
        given = frozenset(patients)
        roots = frozenset(map(self.survivor, given))
        return roots.union(*(self.goes.get(root, ()) for root in roots)) - given


async def merges(database: Database, now: datetime) -> Merges:
    """Return the merges as they were at most two seconds ago, so that a search need not look each time."""
    known = _known.get(database)
    if known is not None and abs(now - known[0]) < AGE_MAX:
        return known[1]
    async with database.system() as connection:
        rows = await connection.fetch(_MERGED)
    direct = {
        row["other"] if row["survivor"] == row["patient"] else row["patient"]: row["survivor"] for row in rows
    }
    goes: dict[str, set[str]] = {}
    for gone in direct:
        above, seen = direct.get(gone), {gone}
        while above is not None and above not in seen:
            goes.setdefault(above, set()).add(gone)
            seen.add(above)
            above = direct.get(above)
    found = Merges(direct, {name: frozenset(each) for name, each in goes.items()})
    _known[database] = (now, found)
    return found


async def persons_of(
    grant: Grant, database: Database, found: Iterable[StoredResource]
) -> tuple[list[StoredResource], list[StoredResource]]:
    """Return the persons whose Patients these are, each by the record that stays, and the merged Patients."""
    known = await merges(database, grant.opened_at)
    patients = list(found)
    persons = {one.id: one for one in patients if one.id not in known.stays}
    gone = [one for one in patients if one.id in known.stays]
    for stays in dict.fromkeys(known.survivor(one.id) for one in gone):
        if stays not in persons:
            persons[stays] = await resources.read(grant, database, "Patient", stays)
    return list(persons.values()), gone


def forget(database: Database) -> None:
    """Make the next look see the merges as they are now; for the process that changed them."""
    _known.pop(database, None)
