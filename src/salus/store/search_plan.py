"""A search in steps: chains and _has become bounded lists of ids, the rest one WHERE clause."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import asyncpg

from salus.core.access import Grant
from salus.core.errors import TooCostly
from salus.core.limits import Limits
from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.hashing import Hasher
from salus.standards.fhir.search.match import condition_holds, contained_in, found_values, matches
from salus.standards.fhir.search.parameters import Registry, SearchParameter, parameters_of
from salus.standards.fhir.search.query import Chain, Condition, Criterion, Has, Include, Query
from salus.standards.fhir.search.references import parse_literal
from salus.store.asker import asker_of, sees_hidden
from salus.store.directory import SHARED_TYPES
from salus.store.narrowed import queries_of
from salus.store.postgres import Connection
from salus.store.readable import is_open, require_open
from salus.store.search_check import Checker, Test, confirmed, resource_of
from salus.store.search_contained import contained_tokens, contains
from salus.store.search_intervals import places, rare_ids
from salus.store.search_reading import first_matches
from salus.store.search_selection import COLUMNS, Selection, too_many
from salus.store.search_sql import in_compartments, predicate
from salus.store.search_statement import Statement
from salus.store.search_tokens import bound_patients, leads_compartment

RARE = 1_000
_CONTAINED_MET: set[int] = set()
"""Tokens of `contained_tokens` that were met: as many at most as reference parameters have target types."""
SPARE = 100  # more rows than collisions can make doubtful


class Finder:
    """Carries out the steps of one search for one grant."""

    def __init__(self, grant: Grant, hash_of: Hasher, limits: Limits, registry: Registry | None) -> None:
        """Take what all steps share."""
        self.grant = grant
        self.hash_of = hash_of
        self.limits = limits
        self.registry = registry
        self.left_out: set[str] = set()

    def confined(self, type_name: str) -> Selection:
        """Return what the grant lets be seen of a type; row-level security says the same a second time.

        Raises:
            AccessRefused: the grant does not let the type be read.
        """
        require_open(self.grant, (type_name,), "search without it, or name another type (type:Type.name)")
        statement = Statement(self.hash_of)
        chosen = Selection(type_name, statement, Checker())
        chosen.tests.append(f"r.type = {statement.bind(type_name)} AND NOT r.deleted")
        if not sees_hidden(self.grant):
            asker = statement.bind(asker_of(self.grant))
            chosen.tests.append(f"(NOT r.hidden OR salus_shows(r.type, r.id, {asker}::jsonb))")
        if self.grant.patients is not None:
            inside = in_compartments(statement, sorted(self.grant.patients))
            if type_name in SHARED_TYPES:
                inside = f"({inside} OR r.compartment = r.type || '/' || r.id)"
            chosen.tests.append(inside)
        self._narrow_by_scopes(chosen)
        return chosen

    def _narrow_by_scopes(self, chosen: Selection) -> None:
        """Confine the rows to those of which the scopes let one be read (`store.narrowed`)."""
        queries = queries_of(self.grant, chosen.type)
        if len(queries) == 1:
            for criterion in queries[0].criteria:
                assert isinstance(criterion, Condition)
                found = predicate(chosen.statement, criterion)
                chosen.checker.add(criterion, found.check)
                chosen.tests.append(found.sql)
        elif queries:
            chosen.tests.append(f"({' OR '.join(_all_of(chosen.statement, query) for query in queries)})")
            chosen.checker.require(lambda resource: any(matches(query, resource) for query in queries))

    async def selection(
        self, connection: Connection, type_name: str, criteria: Sequence[Criterion], compartment: str = ""
    ) -> Selection:
        """Prepare the rows of a type that satisfy the criteria; chains are followed now."""
        chosen = self.confined(type_name)
        chosen.narrow = self.grant.patients is not None or bool(compartment)
        if compartment:
            chosen.tests.append(in_compartments(chosen.statement, [compartment]))
        for criterion in criteria:
            if isinstance(criterion, Condition):
                self._add_condition(chosen, criterion)
            elif isinstance(criterion, Chain):
                await self._add_chain(connection, chosen, criterion)
            else:
                await self._add_has(connection, chosen, criterion)
        if not chosen.narrow:
            await self._narrow(connection, chosen, criteria)
        return chosen

    async def _narrow(self, connection: Connection, chosen: Selection, criteria: Sequence[Criterion]) -> None:
        """Confine a search of all patients by a condition that few rows satisfy, if there is one."""
        for condition in criteria:
            if not isinstance(condition, Condition):
                continue
            statement = Statement(self.hash_of)
            text = rare_ids(statement, condition, count_max=RARE + 1)
            if not text:
                continue
            rows = await connection.fetch(text, *statement.arguments)
            if len(rows) <= RARE:
                ids = sorted({row["id"] for row in rows})
                chosen.narrow = True
                chosen.tests.append(f"r.id = ANY({chosen.statement.bind(ids)}::text[])")
                return

    def _add_condition(self, chosen: Selection, condition: Condition) -> None:
        found = predicate(chosen.statement, condition)
        chosen.checker.add(condition, found.check)
        chosen.tests.append(found.sql)
        if condition.modifier == "" and (
            condition.parameter.code == "_id"
            or (condition.parameter.type == "reference" and bound_patients(condition))
        ):
            chosen.narrow = True

    async def candidates(
        self,
        connection: Connection,
        chosen: Selection,
        *,
        count_max: int | None = None,
        content: bool = False,
        refuse_more: bool = True,
        step: str = "",
    ) -> list[asyncpg.Record]:
        """Return all rows of a selection, confirmed.

        Raises:
            TooCostly: there are more than `count_max` (default: `limits.search_candidates_max`) before the
                check, unless `refuse_more` is False; or what must be read takes too long.
        """
        bound = self.limits.search_candidates_max if count_max is None else count_max
        if chosen.checker.reads_on:
            found = await first_matches(connection, chosen, self.limits, count_max=bound + 1)
            if refuse_more and len(found) > bound:
                raise too_many(chosen.type, self.limits, step)
            return found[:bound]
        lean = chosen.checker.idle and not content
        columns = "r.compartment, r.id" if lean else COLUMNS
        statement, where = chosen.render()
        fetched = bound + 1 if refuse_more else self.limits.search_candidates_max
        if not refuse_more and not chosen.checker.parses:
            fetched = bound + SPARE
        text = statement.select(columns, where, limit=fetched)
        rows = await connection.fetch(text, *statement.arguments)
        if refuse_more and len(rows) > bound:
            raise too_many(chosen.type, self.limits, step)
        return confirmed(rows, chosen.checker)[:bound]

    async def _add_chain(self, connection: Connection, chosen: Selection, chain: Chain) -> None:
        """Find the resources referred to first, then those that refer to one of them, or contain one."""
        wanted = await self._wanted(connection, chain)
        hashes = [
            self.hash_of(hashing.REFERENCE, path.slot, key)
            for path in places(chain.parameter)
            for key in wanted
            if path.target in ("", key.partition("/")[0])
        ]
        test = chosen.statement.has_token(hashes)
        patients = sorted(key.removeprefix("Patient/") for key in wanted if key.startswith("Patient/"))
        if len(patients) == len(wanted) and leads_compartment(chain.parameter):
            test = f"{test} AND {in_compartments(chosen.statement, patients)}"
        if await self._has_contained(connection, chosen.type, chain):
            chosen.tests.append(f"({test} OR {contains(chosen.statement, chain)})")
            chosen.checker.require(await self._leads(connection, chain, wanted))
            return
        chosen.tests.append(test)
        chosen.checker.require(lambda resource: not wanted.isdisjoint(referred(chain.parameter, resource)))

    async def _wanted(self, connection: Connection, chain: Chain) -> set[str]:
        """Return the "Type/id" of the resources that the chain leads to."""
        wanted: set[str] = set()
        step = f"in the chain '{chain.parameter.code}'"
        for target, inner in chain.targets:
            found = await self.selection(connection, target, [inner])
            rows = await self.candidates(connection, found, step=step)
            wanted.update(f"{target}/{row['id']}" for row in rows)
            if len(wanted) > self.limits.search_candidates_max:
                raise too_many(target, self.limits, step)
        return wanted

    async def _has_contained(self, connection: Connection, type_name: str, chain: Chain) -> bool:
        """Return whether rows refer so to contained resources; where none do, the search pays no more."""
        tokens = {one for target, _ in chain.targets for one in contained_tokens(self.hash_of, chain, target)}
        if not _CONTAINED_MET.isdisjoint(tokens):
            return True
        chosen = self.confined(type_name)
        statement, where = chosen.render()
        text = statement.select("1", f"{where} AND {statement.has_token(tokens)}", limit=1)
        if not await connection.fetch(text, *statement.arguments):
            return False
        _CONTAINED_MET.update(tokens)
        return True

    async def _leads(self, connection: Connection, chain: Chain, wanted: set[str]) -> Test:
        """Return the test whether a resource refers to what is wanted, or contains what the chain means."""
        inner = {target: await self._held(connection, one) for target, one in chain.targets}

        def leads(resource: dict[str, Any]) -> bool:  # Any: JSON as parsed
            if not wanted.isdisjoint(referred(chain.parameter, resource)):
                return True
            held = contained_in(chain.parameter, resource)
            return any(inner[one["resourceType"]](one) for one in held if one["resourceType"] in inner)

        return leads

    async def _held(self, connection: Connection, criterion: Criterion) -> Test:
        """Return the test whether a criterion holds for a contained resource; no _has reaches one."""
        if isinstance(criterion, Condition):
            return partial(condition_holds, criterion)
        if isinstance(criterion, Chain):
            return await self._leads(connection, criterion, await self._wanted(connection, criterion))
        return lambda _: False

    async def _add_has(self, connection: Connection, chosen: Selection, has: Has) -> None:
        """Find the resources that refer first, and whom they refer to."""
        step = f"in _has:{has.type}:{has.parameter.code}"
        found = await self.selection(connection, has.type, [has.criterion])
        if chosen.type == "Patient" and leads_compartment(has.parameter) and found.checker.idle:
            ids = await self._compartments(connection, found, has, step)
        else:
            rows = await self.candidates(connection, found, content=True, step=step)
            prefix = f"{chosen.type}/"
            keys = {key for row in rows for key in referred(has.parameter, resource_of(row))}
            ids = sorted(key.removeprefix(prefix) for key in keys if key.startswith(prefix))
        chosen.narrow = True
        chosen.tests.append(f"r.id = ANY({chosen.statement.bind(ids)}::text[])")

    async def _compartments(self, connection: Connection, found: Selection, has: Has, step: str) -> list[str]:
        """Return the patients of the referring rows without reading these: they are their compartments."""
        hashes = [self.hash_of(hashing.REFERENCE_TYPE, path.slot, "Patient") for path in has.parameter.paths]
        statement, where = found.render()
        bound = self.limits.search_candidates_max
        where = f"{where} AND {statement.has_token(hashes)}"
        text = statement.select("DISTINCT r.compartment", where, limit=bound + 1)
        rows = await connection.fetch(text, *statement.arguments)
        if len(rows) > bound:
            raise too_many(has.type, self.limits, step)
        return [row["compartment"] for row in rows]

    async def included(
        self, connection: Connection, query: Query, rows: Sequence[asyncpg.Record]
    ) -> list[asyncpg.Record]:
        """Return what the query's includes add to a page, each resource once.

        Raises:
            TooCostly: they add more than `limits.include_count_max`.
        """
        known = {f"{row['type']}/{row['id']}": row for row in rows}
        matched = set(known)
        fresh = list(rows)
        first = True
        while fresh:
            added: dict[str, asyncpg.Record] = {}
            for include in query.includes:
                if first or include.iterate:
                    for row in await self._include(connection, include, fresh, known):
                        added[f"{row['type']}/{row['id']}"] = row
            fresh = [row for key, row in added.items() if key not in known]
            known |= added
            if len(known) - len(matched) > self.limits.include_count_max:
                raise TooCostly(
                    "_include and _revinclude would add more than "
                    f"{self.limits.include_count_max} resources; lower _count or name fewer of them."
                )
            first = False
        return [row for key, row in known.items() if key not in matched]

    async def _include(
        self,
        connection: Connection,
        include: Include,
        rows: Sequence[asyncpg.Record],
        known: dict[str, asyncpg.Record],
    ) -> list[asyncpg.Record]:
        if include.reverse:
            return await self._referring(connection, include, rows)
        wanted: dict[str, set[str]] = {}
        for row in rows:
            if include.type in ("", row["type"]):
                resource = resource_of(row)
                for parameter in self._references(row["type"], include.parameter):
                    for key in referred(parameter, resource):
                        kind, _, identity = key.partition("/")
                        if key not in known and include.target in ("", kind):
                            wanted.setdefault(kind, set()).add(identity)
        found: list[asyncpg.Record] = []
        for kind, ids in wanted.items():
            if not is_open(self.grant, kind):
                self.left_out.add(kind)
                continue
            found.extend(await self._by_ids(connection, kind, sorted(ids)))
        return found

    async def _by_ids(self, connection: Connection, kind: str, ids: list[str]) -> list[asyncpg.Record]:
        chosen = self.confined(kind)
        chosen.tests.append(f"r.id = ANY({chosen.statement.bind(ids)}::text[])")
        return await self._fetch(connection, chosen)

    async def _referring(
        self, connection: Connection, include: Include, rows: Sequence[asyncpg.Record]
    ) -> list[asyncpg.Record]:
        keys = {f"{row['type']}/{row['id']}" for row in rows if include.target in ("", row["type"])}
        parameters = self._references(include.type, include.parameter)
        hashes = [
            self.hash_of(hashing.REFERENCE, path.slot, key)
            for parameter in parameters
            for path in parameter.paths
            for key in keys
            if path.target in ("", key.partition("/")[0])
        ]
        chosen = self.confined(include.type)
        chosen.tests.append(chosen.statement.has_token(hashes))
        found = await self._fetch(connection, chosen)
        return [
            row
            for row in found
            if any(not keys.isdisjoint(referred(one, resource_of(row))) for one in parameters)
        ]

    async def _fetch(self, connection: Connection, chosen: Selection) -> list[asyncpg.Record]:
        statement, where = chosen.render()
        text = statement.select(COLUMNS, where, limit=self.limits.include_count_max + 1)
        return confirmed(await connection.fetch(text, *statement.arguments), chosen.checker)

    def _references(self, type_name: str, code: str) -> list[SearchParameter]:
        known = parameters_of(type_name, self.registry)
        if code != "*":
            return [known[code]] if code in known else []
        return [one for one in known.values() if one.type == "reference" and not one.refused]


def _all_of(statement: Statement, query: Query) -> str:
    """Return the text for: the row satisfies every condition of the search."""
    tests = [predicate(statement, one).sql for one in query.criteria if isinstance(one, Condition)]
    assert len(tests) == len(query.criteria)
    return f"({' AND '.join(tests)})"


def referred(parameter: SearchParameter, resource: dict[str, Any]) -> set[str]:  # Any: JSON as parsed
    """Return the "Type/id" of what a resource refers to by a parameter."""
    found = set()
    for path, value in found_values(parameter, resource):
        literal = value.get("reference") if path.type == "Reference" and isinstance(value, dict) else None
        if isinstance(literal, str):
            parsed = parse_literal(literal)
            if parsed.type and not parsed.address:
                found.add(f"{parsed.type}/{parsed.id}")
    return found
