"""Patients that one source sent under two names: proposed as duplicates at the end of a load (0009).

A source that is loaded in two forms (NDJSON with its ids, a Bundle with urns of the day) names one person two
ways. What the two share is a business identifier, "system|value", which the source gave itself (R4
resource.html#identifiers). It proposes, and somebody decides: nothing is merged by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from itertools import combinations

import asyncpg
import msgspec

from salus.core.access import Grant
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.search.hashing import SYSTEM_CODE, compile_hasher
from salus.standards.fhir.search.parameters import parameters_of
from salus.store.matching import THRESHOLD, Traits, likeness, traits_of
from salus.store.postgres import Connection

LOADED_MAX = 10_000
"""Most Patients of a load that are compared; `salus persons propose` compares all."""
_BY_URL_MAX = 1_000
"""Most of them that are known by a fullUrl and looked for by each of their identifiers."""
_NUMBERS_MAX = 10
"""Most identifiers of a Patient that are looked for."""
_SHARED_MAX = 20
"""An identifier that more Patients bear says nothing (a placeholder)."""
_BATCH = 500
_BEARERS_MAX = 2_000
"""Most Patients that one statement finds."""

_COLUMNS = "id, source, source_id, content"
_READ = f"""
SELECT {_COLUMNS} FROM resource WHERE type = 'Patient' AND id = ANY ($1) AND NOT deleted AND source <> ''
"""  # noqa: S608  (constants only)
_BY_URN = f"""
SELECT {_COLUMNS} FROM resource
WHERE substring(source_id from '[^/]*$') >= 'urn' AND substring(source_id from '[^/]*$') < 'uro'
    AND source_id <> '' AND type = 'Patient' AND source = ANY ($1) AND NOT deleted LIMIT $2
"""  # noqa: S608
# Right after a load the planner knows neither how many Patients there are nor how few bear a number: it is
# left no way but the index of tokens.
_BY_TOKENS = "SET LOCAL enable_seqscan = off"
_BEARING = """
SELECT id FROM resource
WHERE tokens && $1::bigint[] AND type || '' = 'Patient' AND source = ANY ($2) AND NOT deleted LIMIT $3
"""
_PROPOSE = """
WITH proposed AS (
    INSERT INTO duplicate (patient, other, reason, score, state, proposed_at)
    SELECT *, 'proposed', $5 FROM unnest($1::text[], $2::text[], $3::text[], $4::real[])
    ON CONFLICT (patient, other) DO NOTHING RETURNING 1
)
SELECT count(*) FROM proposed
"""


class _Patient(msgspec.Struct, frozen=True):
    source: str
    source_id: str
    traits: Traits

    @property
    def is_by_url(self) -> bool:
        """Return whether the source named it by a fullUrl, and not by its id there."""
        return not self.source_id.startswith("Patient/")

    @property
    def numbers(self) -> Sequence[tuple[str, str]]:
        return sorted(self.traits.numbers)[:_NUMBERS_MAX]


Patients = dict[str, _Patient]


async def propose_loaded(grant: Grant, connection: Connection, loaded: Sequence[str], *, key: bytes) -> int:
    """Propose as duplicates those of one source that share an identifier, where one is known by a fullUrl.

    Args:
        grant: of the load.
        connection: its own.
        loaded: logical ids of Patients that it stored.
        key: the node's secret for search hashes.

    Returns:
        How many pairs are newly proposed; what was decided before stays decided.
    """
    fresh = _patients(await connection.fetch(_READ, loaded[:LOADED_MAX]))
    by_url = [one for one in fresh.values() if one.is_by_url][:_BY_URL_MAX]
    others = await _bearing(connection, by_url, key) - fresh.keys() if by_url else set()
    known = fresh | _patients(await connection.fetch(_READ, sorted(others)))
    if len(by_url) < len(fresh):
        sources = sorted({one.source for one in fresh.values()})
        known |= _patients(await connection.fetch(_BY_URN, sources, LOADED_MAX))
    alike = [
        (one, other, *likeness(known[one].traits, known[other].traits, one_source=True))
        for one, other in sorted(_pairs(known, fresh.keys()))
    ]
    alike = [pair for pair in alike if pair[2] >= THRESHOLD]
    if not alike:
        return 0
    ones, those, scores, reasons = (list(column) for column in zip(*alike, strict=True))
    return int(await connection.fetchval(_PROPOSE, ones, those, reasons, scores, grant.opened_at))


def _patients(rows: Iterable[asyncpg.Record]) -> Patients:
    return {
        row["id"]: _Patient(row["source"], row["source_id"], traits_of(parse_json(row["content"], Limits())))
        for row in rows
    }


async def _bearing(connection: Connection, patients: Sequence[_Patient], key: bytes) -> set[str]:
    """Return the ids of all that bear one of the identifiers of these."""
    hash_of, slot = compile_hasher(key), parameters_of("Patient")["identifier"].paths[0].slot
    tokens = {
        hash_of(SYSTEM_CODE, slot, f"{system}|{value}") for one in patients for system, value in one.numbers
    }
    sources = sorted({one.source for one in patients})
    found: set[str] = set()
    async with connection.transaction():
        await connection.execute(_BY_TOKENS)
        wanted = sorted(tokens)
        for at in range(0, len(wanted), _BATCH):
            rows = await connection.fetch(_BEARING, wanted[at : at + _BATCH], sources, _BEARERS_MAX)
            found |= {row["id"] for row in rows}
    return found


def _pairs(known: Patients, fresh: Set[str]) -> set[tuple[str, str]]:
    """Return the pairs of one source that share an identifier, one just loaded, one known by a fullUrl."""
    bearers: dict[tuple[str, str, str], list[str]] = {}
    for name, one in sorted(known.items()):
        for system, value in one.numbers:
            bearers.setdefault((one.source, system, value), []).append(name)
    return {
        pair
        for names in bearers.values()
        if len(names) <= _SHARED_MAX
        for pair in combinations(names, 2)
        if not fresh.isdisjoint(pair) and any(known[name].is_by_url for name in pair)
    }
