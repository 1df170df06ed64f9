"""Terminology definitions stored on the node (CodeSystem, ValueSet, ConceptMap), as a library.

They are about nobody, but are read under a grant like everything in the store. What was read is kept until
one of them changes.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from salus.core.access import Grant
from salus.core.errors import SalusError, TooLarge
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.library import Definitions, Head
from salus.store.postgres import Database

_LIMITS = Limits()
TYPES = ("CodeSystem", "ValueSet", "ConceptMap")
DEFINITIONS_MAX = 5_000
_STATE = """
SELECT count(*), coalesce(max(updated), 'epoch'), coalesce(sum(version), 0) FROM resource
WHERE type = ANY($1) AND NOT deleted AND NOT hidden
"""
_READ = """
SELECT type, content FROM resource WHERE type = ANY($1) AND NOT deleted AND NOT hidden
ORDER BY updated LIMIT $2
"""


class Stored:
    """The definitions of one database, as last read."""

    def __init__(self) -> None:
        self._state: tuple[object, ...] = ()
        self._definitions = Definitions()

    async def current(self, grant: Grant, database: Database) -> Definitions:
        """Return the definitions stored now.

        Raises:
            TooLarge: there are more than may be held.
        """
        async with database.reading(grant) as connection:
            state = tuple(await connection.fetchrow(_STATE, list(TYPES)))
            if state == self._state:
                return self._definitions
            if int(str(state[0])) > DEFINITIONS_MAX:
                raise TooLarge(
                    f"The node stores more than {DEFINITIONS_MAX} definitions; install them as a package."
                )
            rows = await connection.fetch(_READ, list(TYPES), DEFINITIONS_MAX)
        found = Definitions()
        for row in rows:
            put(found, row["content"])
        self._state, self._definitions = state, found
        return found


def put(definitions: Definitions, content: bytes) -> None:
    """Add a stored definition; its bytes were valid when they were stored."""
    try:
        head = msgspec.json.decode(content, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if head.url:
        definitions.put(head, _loader(content))


def _loader(content: bytes) -> Callable[[], Json]:
    def load() -> Json:
        try:
            return parse_json(content, _LIMITS)
        except SalusError:
            return {}

    return load
