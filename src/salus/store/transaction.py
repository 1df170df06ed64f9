"""Many writes, all or nothing, in one database transaction (http://hl7.org/fhir/R4/http.html#transaction).

A single create, update, patch or delete is a transaction of one entry, so that conditions, references
between entries and referential integrity have one home. Statements are set-based: conditions aside, a Bundle
of 200 resources costs as many round trips as one of two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Literal

import msgspec

from salus.core.access import Grant
from salus.core.errors import (
    Gone,
    InvalidResource,
    InvalidSearch,
    MalformedContent,
    MultipleMatches,
    NotFound,
)
from salus.core.identifiers import is_fhir_id, new_id
from salus.core.limits import Limits
from salus.standards.fhir.bundle import (
    Entry,
    Resource,
    conditional_references,
    lookup_for,
    splice_references,
    version_of_etag,
)
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.query_string import parse_pairs
from salus.standards.fhir.search.extract import Indexer, compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.match import matches
from salus.standards.fhir.search.query import Query
from salus.store import resources
from salus.store.changes import Operation, Written
from salus.store.postgres import Connection, Database, sees_hidden
from salus.store.rows import Row, StoredResource, make_row
from salus.store.search import find_ids

YIELD_EVERY = 16
"""Resources indexed before other requests of this process get a turn."""

OWNED = frozenset({"Subscription"})
Outcome = Literal["created", "updated", "deleted", "unchanged", "matched", "absent"]
_CURRENT = """
SELECT compartment, type, id, version, updated, deleted, others, source, source_id, content
FROM resource WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND (NOT hidden OR $3)
"""


class Rules(msgspec.Struct, frozen=True):
    """How the node takes writes.

    Args:
        fhir_base: absolute references below it are the node's own.
        search_key: secret key of hashed search values.
        integrity: whether a reference to a missing local resource is refused.
        limits: for content that is parsed again.
        check: validates the result of a patch.
        patch: applies the patch document of an entry to a resource.
        obey: what a domain makes of the writes, in the same transaction: it returns them, changed or with
            further ones at the end, or refuses them (a dispensation completes its prescription).

    `check` raises InvalidResource; `patch` a SalusError that does not tell the resource's content.
    """

    fhir_base: str
    search_key: bytes
    integrity: bool
    limits: Limits
    check: Callable[[Resource], None]
    patch: Callable[[Resource, Entry], Resource]
    obey: Callable[[Here, list[Operation]], Awaitable[list[Operation]]] | None = None


class Done(msgspec.Struct, frozen=True):
    """What became of an entry.

    Args:
        index: the entry's place in the Bundle.
        outcome: matched: a conditional create found its resource; absent: a conditional delete found none.
        resource: the version that is current now, None when absent.
    """

    index: int
    outcome: Outcome
    resource: StoredResource | None


class Target(msgspec.Struct, frozen=True):
    """The resource an entry acts on; `exists` is None where nobody looked."""

    id: str
    exists: bool | None


class Here(msgspec.Struct, frozen=True):
    """Where an attempt works: under which grant, on which connection, by which rules."""

    grant: Grant
    database: Database
    connection: Connection
    rules: Rules


async def execute(
    grant: Grant, database: Database, entries: Sequence[Entry], rules: Rules, *, what: str | None = None
) -> list[Done]:
    """Do the writing entries of a Bundle, all or nothing; their audit leaves are in the same transaction.

    The entries come in processing order: DELETE, POST, PUT and PATCH only, validated. The id of a POST is the
    fresh one to store under; without one it gets one here. `what` is what the leaves say was done.

    Returns:
        One result for each entry, in the order given.

    Raises:
        SalusError: nothing was changed; its message begins with the entry's place in a Bundle of several.
    """
    fresh = {entry.index: entry.id if entry.method == "POST" and entry.id else new_id() for entry in entries}
    attempts = 0

    async def work(connection: Connection) -> list[Done]:
        nonlocal attempts, entries
        attempts += 1
        if attempts > 1:
            entries = [_pristine(entry, rules.limits) for entry in entries]
        return await _attempt(Here(grant, database, connection, rules), entries, fresh, what)

    return await resources.transact(grant, database, work)


def _pristine(entry: Entry, limits: Limits) -> Entry:
    """Return the entry as it came: an attempt rewrites references in the parsed form."""
    if not entry.content:
        return entry
    return msgspec.structs.replace(entry, resource=parse_json(entry.content, limits))


async def _attempt(
    here: Here, entries: Sequence[Entry], fresh: dict[int, str], what: str | None
) -> list[Done]:
    targets = await _targets(here, entries, fresh)
    links = _links(entries, targets)
    links.update(await _conditional_links(here, entries, targets))
    operations: list[Operation] = []
    places: list[int | None] = []
    for count, entry in enumerate(entries):
        operation = await _operation(here, entry, targets.get(entry.index), links)
        places.append(None if operation is None else len(operations))
        if operation is not None:
            operations.append(operation)
        if count % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
    _refuse_same(operations)
    if here.rules.obey is not None:
        operations = await here.rules.obey(here, operations)
    await _check_references(here, operations, len(entries) > 1)
    changed = await resources.apply(here.grant, here.connection, operations, what=what) if operations else []
    matched = await _matched(here, entries, targets, places)
    return [
        _done(entry, None if place is None else changed[place], matched.get(entry.index))
        for entry, place in zip(entries, places, strict=True)
    ]


def _done(entry: Entry, written: Written | None, matched: StoredResource | None) -> Done:
    if written is not None:
        return Done(entry.index, written.outcome, written.resource)
    return Done(entry.index, "absent" if matched is None else "matched", matched)


async def _targets(here: Here, entries: Sequence[Entry], fresh: dict[int, str]) -> dict[int, Target]:
    """Return what each entry acts on; a conditional delete that matches nothing has no target.

    Two requests with the same condition queue on a lock, so that a conditional create never makes two.
    """
    conditional = [entry for entry in entries if entry.condition is not None]
    if conditional:
        keys = [f"{entry.type}?{entry.condition}" for entry in conditional]
        await here.connection.execute(resources.LOCK, keys)
    absent = await _absent_deletes(here, entries)
    found: dict[int, Target] = {}
    for entry in entries:
        if entry.index in absent:
            continue
        if entry.condition is not None:
            target = await _conditional_target(here, entry, fresh[entry.index])
            if target is not None:
                found[entry.index] = target
        else:
            made = entry.method == "POST"
            found[entry.index] = Target(fresh[entry.index] if made else entry.id, False if made else None)
    return found


async def _absent_deletes(here: Here, entries: Sequence[Entry]) -> set[int]:
    """Return the deletions of what is not there: they succeed (R4 http.html#delete).

    A patient-bound grant is told "not found" instead, for what is absent and for what is another's alike.
    """
    named = [entry for entry in entries if entry.method == "DELETE" and entry.id and not entry.if_match]
    if not named or here.grant.patients is not None:
        return set()
    known = await _current(here, [(entry.type, entry.id) for entry in named])
    return {entry.index for entry in named if (entry.type, entry.id) not in known}


async def _conditional_target(here: Here, entry: Entry, fresh: str) -> Target | None:
    """Return the one match of a condition, a place for a new resource, or None (nothing to delete)."""
    found = await _matching_ids(here, entry.type, entry.condition or "")
    own = (entry.resource or {}).get("id")
    if len(found) > 1:
        raise MultipleMatches(
            f"{_place(entry)}The condition selects more than one {entry.type}: make it more specific."
        )
    if found:
        if entry.method == "PUT" and own not in (None, found[0]):
            raise MalformedContent(
                f"{_place(entry)}The resource has another id than the {entry.type} the condition selects."
            )
        return Target(found[0], True)
    if entry.method == "DELETE":
        return None
    if entry.method == "PATCH":
        raise NotFound(f"{_place(entry)}The condition selects no {entry.type}.")
    if entry.method == "PUT" and isinstance(own, str) and is_fhir_id(own):
        return Target(own, None)
    return Target(fresh, False)


def _place(entry: Entry) -> str:
    return f"{entry.path}: " if entry.full_url or entry.index else ""


def _links(entries: Sequence[Entry], targets: dict[int, Target]) -> dict[str, str]:
    """Return the new form of links to entries of this Bundle, by fullUrl."""
    return {
        entry.full_url: f"{entry.type or _type_of(entry)}/{targets[entry.index].id}"
        for entry in entries
        if entry.full_url and entry.resource is not None and entry.index in targets
    }


def _type_of(entry: Entry) -> str:
    return str((entry.resource or {}).get("resourceType", ""))


async def _conditional_links(
    here: Here, entries: Sequence[Entry], targets: dict[int, Target]
) -> dict[str, str]:
    """Return the one match of every reference that is a search: stored, or else in this Bundle."""
    wanted: dict[str, Entry] = {}
    for entry in entries:
        if entry.resource is not None and b"?" in entry.content:
            for reference in conditional_references(entry.resource):
                wanted.setdefault(reference, entry)
    found = {}
    for reference, entry in wanted.items():
        kind, _, query = reference.partition("?")
        ids = await _matching_ids(here, kind, query)
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
        and _type_of(entry) == query.type
        and matches(query, entry.resource)
    ]


def parse_condition(here: Here, kind: str, condition: str) -> Query:
    """Return the search that a condition is.

    Raises:
        InvalidSearch: it holds an unknown parameter, or no parameter that selects.
    """
    rules = here.rules
    pairs = parse_pairs(condition.encode("utf-8"))
    query = parse_query(kind, pairs, rules.limits, strict=True, base=rules.fhir_base)
    if not query.criteria:
        raise InvalidSearch(
            f"A condition on {kind} needs a search parameter, such as identifier=system|value."
        )
    return query


async def _matching_ids(here: Here, kind: str, condition: str) -> list[str]:
    """Return the ids of at most two resources that a condition selects, of those the grant may see."""
    query = parse_condition(here, kind, condition)
    return await find_ids(
        here.grant, here.connection, query, key=here.rules.search_key, database=here.database
    )


async def _operation(
    here: Here, entry: Entry, target: Target | None, links: dict[str, str]
) -> Operation | None:
    """Return the write of an entry, None when there is nothing to write."""
    if target is None or (entry.method == "POST" and target.exists):
        return None
    if_match = version_of_etag(entry.if_match)
    if entry.method == "DELETE":
        return Operation("delete", entry.type, target.id, None, if_match)
    if entry.method == "PATCH":
        resource, content = await _patched(here, entry, target.id)
    else:
        assert entry.resource is not None
        resource, content = entry.resource, entry.content
        if links:
            content = splice_references(content, resource, lookup_for(entry, links), write_json)
    row = row_of(here, resource, content, entry.type or _type_of(entry), target.id)
    kind: Literal["create", "update"] = "create" if target.exists is False else "update"
    return Operation(kind, row.type, row.id, row, if_match, may_create=entry.method == "PUT")


def row_of(here: Here, resource: Resource, content: bytes, kind: str, identity: str) -> Row:
    """Return the row of a resource under the id the node gives it.

    What a patient makes for themselves and FHIR puts in no compartment (a Subscription) is in theirs.
    """
    named = resource if resource.get("id") == identity else {**resource, "id": identity}
    index = indexer(kind, here.rules.search_key)(named)
    patients = here.grant.patients
    if kind in OWNED and patients is not None and len(patients) == 1 and not index.compartments:
        index = msgspec.structs.replace(index, compartments=tuple(patients))
    return make_row(kind, identity, content, index=index)


@cache
def indexer(kind: str, search_key: bytes) -> Indexer:
    """Return the compiled indexer of a resource type, made once per process."""
    return compile_indexer(kind, search_key)


async def _patched(here: Here, entry: Entry, identity: str) -> tuple[Resource, bytes]:
    """Return the current resource with the patch applied, validated; it stays locked until the end."""
    key, rules = (entry.type, identity), here.rules
    await here.connection.execute(resources.LOCK, [f"{entry.type}/{identity}"])
    current = (await _current(here, [key])).get(key)
    if current is None:
        raise NotFound(f"{_place(entry)}There is no {entry.type}/{identity} that this access may change.")
    if current.deleted:
        raise Gone(f"{_place(entry)}{entry.type}/{identity} was deleted: create it again with PUT.")
    before = {**parse_json(current.content, rules.limits), "id": identity}
    after = rules.patch(before, entry)
    if after == before:
        return before, current.content
    if after.get("resourceType") != entry.type or after.get("id") != identity:
        raise InvalidResource("A patch may not change the resourceType or the id.")
    rules.check(after)
    return after, write_json(after)


async def _current(here: Here, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], StoredResource]:
    rows = await here.connection.fetch(
        _CURRENT, [key[0] for key in keys], [key[1] for key in keys], sees_hidden(here.grant)
    )
    return {(row["type"], row["id"]): resources.stored(row) for row in rows}


async def _matched(
    here: Here,
    entries: Sequence[Entry],
    targets: dict[int, Target],
    places: Sequence[int | None],
) -> dict[int, StoredResource]:
    """Return, by entry, the resources that conditional creates found instead of making them."""
    wanted = {
        entry.index: (entry.type, targets[entry.index].id)
        for entry, place in zip(entries, places, strict=True)
        if place is None and entry.index in targets
    }
    if not wanted:
        return {}
    found = await _current(here, list(wanted.values()))
    return {index: found[key] for index, key in wanted.items() if key in found}


def _refuse_same(operations: Sequence[Operation]) -> None:
    """Refuse two writes of one resource, which conditions can lead to."""
    seen = set()
    for operation in operations:
        key = (operation.type, operation.id)
        if key in seen:
            raise InvalidResource(
                f"Two entries of the Bundle write the same {operation.type}: two conditions select it."
            )
        seen.add(key)


async def _check_references(here: Here, operations: Sequence[Operation], in_bundle: bool) -> None:
    """Refuse a placeholder that no entry answers to and, by the rules, a reference to nothing stored here.

    Raises:
        InvalidResource: naming at most ten of them.
    """
    written = {f"{one.type}/{one.id}" for one in operations if one.row is not None}
    prefix = here.rules.fhir_base + "/"
    wanted = {
        reference.removeprefix(prefix).partition("/_history/")[0]
        for one in operations
        if one.row is not None and one.type != "Bundle"
        for reference in one.row.index.references
    }
    dangling = sorted(link for link in wanted if link.startswith("urn:uuid:")) if in_bundle else []
    if dangling:
        raise InvalidResource(f"No entry of the Bundle has the fullUrl {', '.join(dangling[:10])}. Add it.")
    if here.rules.integrity:
        missing = await resources.missing_references(here.grant, here.connection, sorted(wanted - written))
        if missing:
            listed = ", ".join(sorted(missing)[:10])
            raise InvalidResource(f"Referenced resources are not stored here: {listed}. Send them first.")
