"""Conditional references and ifNoneExist of loaded transactions: which resource a condition selects."""

from __future__ import annotations

from salus.core.access import Grant
from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.intake.writer import Lookup
from salus.standards.fhir.query_string import parse_pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.store.postgres import Connection, Database
from salus.store.search import find_ids


def lookup_in(grant: Grant, database: Database, key: bytes, limits: Limits) -> Lookup:
    """Return the function that finds what a condition "Type?query" selects (`writer.Lookup`)."""

    async def lookup(connection: Connection, condition: str) -> str | None:
        kind, _, text = condition.partition("?")
        try:
            query = parse_query(
                kind, parse_pairs(text.encode()), limits, strict=True, registry=database.parameters.searching
            )
        except SalusError:
            return None  # it is then refused by name, with the entry that holds it
        if not query.criteria:
            return None
        found = await find_ids(grant, connection, query, key=key, database=database)
        if len(found) > 1:
            return None
        return f"{kind}/{found[0]}" if found else ""

    return lookup
