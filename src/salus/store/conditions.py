"""What an entry of a transaction acts on: by id, by a condition, by a reference that is a search.

Two requests with the same condition queue on a lock before they look, so that a conditional create sent twice
at once makes one resource (docs/decisions/0004).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence, Set

import msgspec

from salus.core.access import Grant
from salus.core.errors import (
    InvalidResource,
    InvalidSearch,
    MalformedContent,
    MultipleMatches,
    NotFound,
    OverBudget,
)
from salus.core.identifiers import is_fhir_id
from salus.core.limits import Limits
from salus.standards.fhir.bundle import ALONE, Entry, Resource, conditional_references
from salus.standards.fhir.query_string import parse_pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.match import matches
from salus.standards.fhir.search.named import named_by
from salus.standards.fhir.search.query import Query
from salus.store import resources
from salus.store.asker import asker_of
from salus.store.changes import Operation, Written
from salus.store.concerned import Touched
from salus.store.postgres import Connection, Database
from salus.store.rows import StoredResource
from salus.store.search import find_ids

_CURRENT = """
SELECT compartment, type, id, version, updated, deleted, others, source, source_id, content
FROM resource WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    AND (NOT hidden OR salus_shows(type, id, $3::jsonb))
"""
_LAST = """
SELECT compartment, type, id, version, updated, deleted, others, source, source_id, content
FROM resource_version WHERE type = $1 AND id = $2 AND NOT deleted
    AND (NOT hidden OR salus_shows(type, id, $3::jsonb))
ORDER BY version DESC LIMIT 1
"""


class Rules(msgspec.Struct, frozen=True):
    """How the node takes writes.

    Args:
        fhir_base: the node's FHIR address.
        own_bases: it and others that reach the node: absolute references below them are the node's own.
        search_key: secret key of hashed search values.
        integrity: whether a reference to a missing local resource is refused.
        limits: for content that is parsed again.
        check: validates the result of a patch.
        patch: applies the patch document of an entry to a resource.
        mark: what is added to a resource, and its bytes, because of who writes it; it is given what was
            stored before, None for a create.
        after: what else the node keeps of what was written, in the same transaction; it may refuse it.
        obey: what a domain makes of the writes, in the same transaction: it returns them, changed or with
            further ones at the end, or refuses them (a dispensation completes its prescription).
        recognise: what a domain says of a conditional create that found its resource; it may refuse it (the
            id of a dispensation is another pharmacy's).

    `check` raises InvalidResource; `patch` a SalusError that does not tell the resource's content.
    """

    fhir_base: str
    own_bases: tuple[str, ...]
    search_key: bytes
    integrity: bool
    limits: Limits
    check: Callable[[Resource], None]
    patch: Callable[[Resource, Entry], Resource]
    obey: Callable[[Here, list[Operation]], Awaitable[list[Operation]]] | None = None
    mark: Callable[[Resource, bytes, StoredResource | None], tuple[Resource, bytes]] | None = None
    after: Callable[[Here, Sequence[Written]], Awaitable[None]] | None = None
    recognise: Callable[[Here, Entry, StoredResource], Awaitable[None]] | None = None


class Target(msgspec.Struct, frozen=True):
    """The resource an entry acts on; `exists` is None where nobody looked.

    With a condition that found nothing, the place must turn out to be free.
    """

    id: str
    exists: bool | None


class Here(msgspec.Struct, frozen=True):
    """Where an attempt works: under which grant, on which connection, by which rules; and what it touched.

    It is to end before `until`, by the event loop's clock.
    """

    grant: Grant
    database: Database
    connection: Connection
    rules: Rules
    touched: Touched = msgspec.field(default_factory=Touched)
    until: float = math.inf

    def check_time(self) -> None:
        """Refuse to go on with a transaction that has had its time.

        Raises:
            OverBudget: it has.
        """
        if asyncio.get_running_loop().time() >= self.until:
            raise OverBudget("The transaction takes too long; nothing was changed: send it in parts.")


async def targets_of(here: Here, entries: Sequence[Entry], fresh: dict[int, str]) -> dict[int, Target]:
    """Return what each entry acts on; a conditional delete that matches nothing has no target.

    The deletions of a transaction are done first: nothing that they delete is selected by a later condition.
    Two requests with the same condition queue on a lock, so that a conditional create never makes two.
    """
    conditional = [entry for entry in entries if entry.condition is not None]
    if conditional:
        keys = [f"{entry.type}?{entry.condition}" for entry in conditional]
        await here.connection.execute(resources.LOCK, keys)
    absent = await _absent_deletes(here, entries)
    found: dict[int, Target] = {}
    gone: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.index in absent:
            continue
        if entry.condition is not None:
            target = await _conditional_target(here, entry, entries, fresh[entry.index], gone)
            if target is not None:
                found[entry.index] = target
        else:
            made = entry.method == "POST"
            found[entry.index] = Target(fresh[entry.index] if made else entry.id, False if made else None)
        if entry.method == "DELETE" and entry.index in found:
            gone.add((entry.type, found[entry.index].id))
    return found


async def _absent_deletes(here: Here, entries: Sequence[Entry]) -> set[int]:
    """Return the deletions of what is not there: they succeed (R4 http.html#delete).

    A patient-bound grant is told "not found" instead, for what is absent and for what is another's alike.
    """
    named = [entry for entry in entries if entry.method == "DELETE" and entry.id and not entry.if_match]
    if not named or here.grant.patients is not None:
        return set()
    known = await current_of(here, [(entry.type, entry.id) for entry in named])
    return {entry.index for entry in named if (entry.type, entry.id) not in known}


async def _conditional_target(
    here: Here, entry: Entry, entries: Sequence[Entry], fresh: str, gone: Set[tuple[str, str]]
) -> Target | None:
    """Return the one match of a condition, a place for a new resource, or None (nothing to delete)."""
    without = gone if entry.method != "DELETE" else frozenset()
    found = await matching_ids(here, entry.type, entry.condition or "", without=without)
    own = (entry.resource or {}).get("id")
    if len(found) > 1:
        raise MultipleMatches(
            f"{place_of(entry)}The condition selects more than one {entry.type}: make it more specific."
        )
    if found:
        if entry.method == "PUT" and own not in (None, found[0]):
            raise MalformedContent(
                f"{place_of(entry)}The resource has another id than the {entry.type} the condition selects."
            )
        return Target(found[0], True)
    if entry.method == "DELETE":
        return None
    if entry.method == "PATCH":
        raise NotFound(f"{place_of(entry)}The condition selects no {entry.type}.")
    _refuse_sent_beside(here, entry, entries)
    if entry.method == "PUT" and isinstance(own, str) and is_fhir_id(own):
        return Target(own, None)
    return Target(fresh, False)


def _refuse_sent_beside(here: Here, entry: Entry, entries: Sequence[Entry]) -> None:
    """Refuse a condition that selects nothing stored, but what another entry of the Bundle writes.

    Raises:
        InvalidResource: both would be stored, and the condition says that there is to be one.
    """
    condition = entry.condition or ""
    part = _part_of_an_identifier(condition)
    beside = [
        (other.path, other.resource)
        for other in entries
        if other is not entry and other.resource is not None and other.method in ("POST", "PUT")
        if type_of(other) == entry.type and part in other.content
    ]
    if not beside:
        return
    query = parse_condition(here, entry.type, condition)
    for path, resource in beside:
        if matches(query, resource):
            raise InvalidResource(
                f"{place_of(entry)}The condition selects what {path} writes: send one of the two, and "
                "refer to it by its fullUrl."
            )


def _part_of_an_identifier(condition: str) -> bytes:
    """Return what every resource holds that the condition selects, b"" where that is not plain to see."""
    name, _, text = condition.partition("=")
    value = text.rpartition("|")[2]
    return value.encode() if name == "identifier" and value.isascii() and value.isalnum() else b""


def place_of(entry: Entry) -> str:
    """Return the beginning of a message about an entry: its place, "" for a request that is no Bundle."""
    return "" if entry.index == ALONE else f"{entry.path}: "


def links_of(entries: Sequence[Entry], targets: dict[int, Target]) -> dict[str, str]:
    """Return the new form of links to entries of this Bundle, by fullUrl."""
    return {
        entry.full_url: f"{entry.type or type_of(entry)}/{targets[entry.index].id}"
        for entry in entries
        if entry.full_url and entry.resource is not None and entry.index in targets
    }


def type_of(entry: Entry) -> str:
    """Return the type of the resource that an entry brings, "" when it brings none."""
    return str((entry.resource or {}).get("resourceType", ""))


async def conditional_links(
    here: Here, entries: Sequence[Entry], targets: dict[int, Target]
) -> dict[str, str]:
    """Return the one match of every reference that is a search: stored, or else in this Bundle."""
    wanted: dict[str, Entry] = {}
    for entry in entries:
        if entry.resource is not None and b"?" in entry.content:
            for reference in conditional_references(entry.resource):
                wanted.setdefault(reference, entry)
    gone = {
        (entry.type, targets[entry.index].id)
        for entry in entries
        if entry.method == "DELETE" and entry.index in targets
    }
    found = {}
    for reference, entry in wanted.items():
        kind, _, query = reference.partition("?")
        ids = await matching_ids(here, kind, query, without=gone)
        if not ids:
            ids = _matching_entries(entries, targets, parse_condition(here, kind, query))
        if len(ids) != 1:
            many = "more than one" if ids else "no"
            error = MultipleMatches if ids else InvalidResource
            raise error(f"{entry.path}: a reference that is a search for {kind} selects {many} resource.")
        found[reference] = f"{kind}/{ids[0]}"
    return found


def _matching_entries(entries: Sequence[Entry], targets: dict[int, Target], query: Query) -> list[str]:
    """Return the ids of this Bundle's own resources that a condition selects."""
    return [
        targets[entry.index].id
        for entry in entries
        if entry.index in targets
        and entry.resource is not None
        and entry.method in ("POST", "PUT")
        and type_of(entry) == query.type
        and matches(query, entry.resource)
    ]


def parse_condition(here: Here, kind: str, condition: str) -> Query:
    """Return the search that a condition is.

    Raises:
        InvalidSearch: it holds an unknown parameter, or no parameter that selects.
    """
    rules = here.rules
    pairs = parse_pairs(condition.encode("utf-8"))
    registry = here.database.parameters.searching
    query = parse_query(kind, pairs, rules.limits, strict=True, base=rules.fhir_base, registry=registry)
    if not query.criteria:
        raise InvalidSearch(
            f"A condition on {kind} needs a search parameter, such as identifier=system|value."
        )
    return query


async def matching_ids(
    here: Here, kind: str, condition: str, *, without: Set[tuple[str, str]] = frozenset()
) -> list[str]:
    """Return the ids of at most two resources that a condition selects, of those the grant may see.

    `without`: what does not count, as the transaction deletes it.
    """
    here.check_time()
    query = parse_condition(here, kind, condition)
    here.touched.add(named_by(query))
    found = await find_ids(
        here.grant,
        here.connection,
        query,
        key=here.rules.search_key,
        database=here.database,
        count_max=2 + sum(each == kind for each, _ in without),
    )
    for identity in found:
        here.touched.add_resource(kind, identity)
    return [identity for identity in found if (kind, identity) not in without][:2]


async def current_of(here: Here, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], StoredResource]:
    """Return the current versions of the named (type, id) that the grant may see, deleted ones included."""
    rows = await here.connection.fetch(
        _CURRENT, [key[0] for key in keys], [key[1] for key in keys], asker_of(here.grant)
    )
    return {(row["type"], row["id"]): resources.stored(row) for row in rows}


async def last_version_of(here: Here, kind: str, identity: str) -> StoredResource | None:
    """Return the last version that something deleted had, None where the grant may see none."""
    row = await here.connection.fetchrow(_LAST, kind, identity, asker_of(here.grant))
    return None if row is None else resources.stored(row)
