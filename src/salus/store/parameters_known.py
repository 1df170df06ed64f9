"""The search parameters as this process knows them: those of R4, and those added to the node.

They are kept with the `Database`. Searches use what was known within the last second (`refresh`, a task of
the node); a writer asks anew in its own transaction (`hold`), so that nothing is stored that a parameter
being indexed would miss.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from salus.standards.fhir.model import SearchParameterRow
from salus.standards.fhir.search.extract import Indexer, compile_indexer
from salus.standards.fhir.search.parameters import Registry, standard
from salus.store.pool import Connection

WRITERS_LOCK = 0x53414C5550  # "SALUP": held shared by whoever writes resources
_GENERATION = "SELECT number FROM search_parameter_generation"
_HOLD = "SELECT number, pg_advisory_xact_lock_shared($1) FROM search_parameter_generation"
_KNOWN = "SELECT definition, state FROM search_parameter ORDER BY added_at DESC, url"


class Added(msgspec.Struct, frozen=True):
    """The parameters added to a node, for worker processes.

    Args:
        generation: grows with every change; 0 is R4 alone.
        rows: their definitions, the latest first.
    """

    generation: int = 0
    rows: tuple[SearchParameterRow, ...] = ()


class Parameters:
    """The parameters of one node, as last read.

    Attributes:
        added: what is indexed beside R4.
        searching: what searches may name; a parameter that is not ready is refused by name. None: R4 alone.
        indexing: what writers index by. None: R4 alone.
    """

    def __init__(self) -> None:
        """Begin with those of R4."""
        self.added = Added()
        self.searching: Registry | None = None
        self.indexing: Registry | None = None
        self._indexers: dict[tuple[str, bytes], Indexer] = {}

    def indexer(self, kind: str, key: bytes) -> Indexer:
        """Return the compiled indexer of a resource type, made once for each state of the parameters."""
        found = self._indexers.get((kind, key))
        if found is None:
            found = self._indexers[kind, key] = compile_indexer(kind, key, self.indexing)
        return found

    async def refresh(self, connection: Connection) -> None:
        """Read what has changed, if anything has."""
        await self._learn(connection, await connection.fetchval(_GENERATION))

    async def hold(self, connection: Connection) -> None:
        """Know every parameter now; none begins to be indexed before the caller's transaction ends."""
        await self._learn(connection, await connection.fetchval(_HOLD, WRITERS_LOCK))

    async def _learn(self, connection: Connection, generation: int) -> None:
        if generation == self.added.generation:
            return
        rows = await connection.fetch(_KNOWN)
        known = [(msgspec.json.decode(row[0], type=SearchParameterRow), row[1]) for row in rows]
        definitions = tuple(definition for definition, _ in known)
        pending = frozenset(definition.url for definition, state in known if state != "ready")
        self.indexing = registry_of(definitions)
        self.searching = standard().with_added(definitions, pending=pending) if known else None
        self._indexers = {}
        self.added = Added(generation, definitions)


@lru_cache(maxsize=4)
def registry_of(definitions: tuple[SearchParameterRow, ...]) -> Registry | None:
    """Return the parameters of R4 with those added, None for those of R4 alone."""
    return standard().with_added(definitions) if definitions else None
