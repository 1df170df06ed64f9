"""Many writes, all or nothing, in one database transaction (http://hl7.org/fhir/R4/http.html#transaction).

A single create, update, patch or delete is a transaction of one entry, so that conditions, references
between entries and referential integrity have one home. Statements are set-based: conditions aside, a Bundle
of 200 resources costs as many round trips as one of two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import msgspec

from salus.core.access import Grant
from salus.core.errors import (
    Conflict,
    Gone,
    InvalidResource,
    NotFound,
    VersionConflict,
)
from salus.core.identifiers import new_id
from salus.core.limits import Limits
from salus.standards.fhir.bundle import (
    Entry,
    Resource,
    lookup_for,
    names_version,
    splice_references,
    version_of_etag,
)
from salus.standards.fhir.codec.json import parse_json, write_json, write_json_like
from salus.standards.fhir.search.references import below, literals_in, parse_literal
from salus.store import referrers, resources
from salus.store.changes import Operation, Written
from salus.store.concerned import Touched
from salus.store.conditions import (
    Here,
    Rules,
    Target,
    conditional_links,
    current_of,
    links_of,
    place_of,
    targets_of,
    type_of,
)
from salus.store.continuity import NOWHERE, Origin, continued, origin_after, with_origin
from salus.store.postgres import Connection, Database
from salus.store.rows import Row, StoredResource, make_row
from salus.store.shares import beside

YIELD_EVERY = 16
"""Resources indexed before other requests of this process get a turn."""

PATCH_BYTES_A_PASS = 64
"""An operation of a patch has about so many bytes, and may look through the whole resource."""
OWNED = frozenset({"Subscription"})
Befores = dict[tuple[str, str], StoredResource]
Outcome = Literal["created", "updated", "deleted", "unchanged", "matched", "absent"]


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


async def execute(
    grant: Grant,
    database: Database,
    entries: Sequence[Entry],
    rules: Rules,
    *,
    what: str | None = None,
    touched: Touched | None = None,
) -> list[Done]:
    """Do the writing entries of a Bundle, all or nothing; their audit leaves are in the same transaction.

    The entries come in processing order: DELETE, POST, PUT and PATCH only, validated. The id of a POST is the
    fresh one to store under; without one it gets one here. `what` is what the leaves say was done. `touched`
    gathers what the entries name and their conditions find, whether or not anything is written.

    Returns:
        One result for each entry, in the order given.

    Raises:
        SalusError: nothing was changed; its message begins with the entry's place in a Bundle of several.
    """
    fresh = {entry.index: entry.id if entry.method == "POST" and entry.id else new_id() for entry in entries}
    touched = Touched() if touched is None else touched
    for entry in entries:
        if entry.id and entry.method != "POST":
            touched.add_resource(entry.type, entry.id)
    attempts = 0
    until = asyncio.get_running_loop().time() + rules.limits.transaction_ms_max / 1000

    async def work(connection: Connection) -> list[Done]:
        nonlocal attempts, entries
        attempts += 1
        if attempts > 1:
            entries = [await beside(len(entry.content), _pristine, entry, rules.limits) for entry in entries]
        return await _attempt(Here(grant, database, connection, rules, touched, until), entries, fresh, what)

    return await resources.transact(grant, database, work)


def _pristine(entry: Entry, limits: Limits) -> Entry:
    """Return the entry as it came: an attempt rewrites references in the parsed form."""
    if not entry.content:
        return entry
    return msgspec.structs.replace(entry, resource=parse_json(entry.content, limits))


async def _attempt(
    here: Here, entries: Sequence[Entry], fresh: dict[int, str], what: str | None
) -> list[Done]:
    await here.database.parameters.hold(here.connection)
    targets = await targets_of(here, entries, fresh)
    _refuse_same(entries, targets)
    links = links_of(entries, targets)
    links.update(await conditional_links(here, entries, targets))
    befores = await _befores(here, entries, targets)
    operations: list[Operation] = []
    places: list[int | None] = []
    for count, entry in enumerate(entries):
        here.check_time()
        operation = await _operation(here, entry, targets.get(entry.index), links, befores)
        places.append(None if operation is None else len(operations))
        if operation is not None:
            operations.append(operation)
        if count % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
    if here.rules.obey is not None:
        operations = await here.rules.obey(here, operations)
    await _check_references(here, operations)
    if here.rules.integrity:
        await _check_deletions(here, operations)
    changed = await resources.apply(here.grant, here.connection, operations, what=what) if operations else []
    if here.rules.after is not None:
        await here.rules.after(here, changed)
    matched = await _matched(here, entries, targets, places)
    if here.rules.recognise is not None:
        for entry in entries:
            if entry.index in matched:
                await here.rules.recognise(here, entry, matched[entry.index])
    return [
        _done(entry, None if place is None else changed[place], matched.get(entry.index))
        for entry, place in zip(entries, places, strict=True)
    ]


def _done(entry: Entry, written: Written | None, matched: StoredResource | None) -> Done:
    if written is not None:
        return Done(entry.index, written.outcome, written.resource)
    return Done(entry.index, "absent" if matched is None else "matched", matched)


async def _operation(
    here: Here, entry: Entry, target: Target | None, links: dict[str, str], befores: Befores
) -> Operation | None:
    """Return the write of an entry, None when there is nothing to write."""
    if target is None or (entry.method == "POST" and target.exists):
        return None
    if_match = version_of_etag(entry.if_match)
    if entry.method == "DELETE":
        return Operation("delete", entry.type, target.id, None, if_match)
    if entry.method == "PATCH":
        current = await _locked(here, entry, target.id)
        passes = 1 + len(entry.content) // PATCH_BYTES_A_PASS
        share = here.database.shares.of(here.grant.caller)
        resource, content = await share.beside(len(current.content) * passes, _patched, here, entry, current)
        row = await beside(len(content), _row, here, entry, target, resource, content, current)
    else:
        before = befores.get((entry.type, target.id))
        size = len(entry.content) + (len(before.content) if before is not None else 0)
        row = await beside(size, _row_sent, here, entry, target, before, links)
    kind: Literal["create", "update"] = "create" if target.exists is False else "update"
    return Operation(kind, row.type, row.id, row, if_match, may_create=entry.method == "PUT")


def _row_sent(
    here: Here, entry: Entry, target: Target, before: StoredResource | None, links: dict[str, str]
) -> Row:
    """Return the row of a resource that was sent whole."""
    assert entry.resource is not None
    resource, content = entry.resource, entry.content
    if links:
        content = splice_references(content, resource, lookup_for(entry, links), write_json)
    resource, content = continued(before, resource, content, here.rules.limits)
    return _row(here, entry, target, resource, content, before)


def _row(
    here: Here,
    entry: Entry,
    target: Target,
    resource: Resource,
    content: bytes,
    before: StoredResource | None,
) -> Row:
    """Return the row of an entry's resource in its final form."""
    if here.rules.mark is not None:
        resource, content = here.rules.mark(resource, content, before)
    own = own_links(resource, here.rules.own_bases)
    if own:
        content = splice_references(content, resource, own.get, write_json)
    return row_of(
        here, resource, content, entry.type or type_of(entry), target.id, origin_after(before, resource)
    )


def own_links(resource: Resource, bases: Sequence[str]) -> dict[str, str]:
    """Return the relative form of absolute references to this node, so that they find their compartment.

    What is inside a Bundle stays as it came.
    """
    if resource.get("resourceType") == "Bundle":
        return {}
    found = {}
    for link in literals_in(resource):
        if "://" not in link:
            continue
        short = next((short for base in bases if (short := below(link, base)) is not None), None)
        if short is not None and parse_literal(short.partition("#")[0]).type:
            found[link] = short
    return found


def row_of(
    here: Here, resource: Resource, content: bytes, kind: str, identity: str, origin: Origin = NOWHERE
) -> Row:
    """Return the row of a resource under the id the node gives it.

    What a patient makes for themselves and FHIR puts in no compartment (a Subscription) is in theirs.
    """
    named = resource if resource.get("id") == identity else {**resource, "id": identity}
    index = here.database.parameters.indexer(kind, here.rules.search_key)(with_origin(named, origin))
    owner = _owner(here.grant)
    if kind in OWNED and owner is not None and not index.compartments:
        index = msgspec.structs.replace(index, compartments=(owner,))
    return make_row(kind, identity, content, index=index, source=origin.source, source_id=origin.source_id)


def _owner(grant: Grant) -> str | None:
    """Return the one patient of a grant, of a citizen's over merged records their own; None for none."""
    patients = grant.patients or frozenset()
    if len(patients) == 1:
        return next(iter(patients))
    return grant.caller.patient if grant.caller.patient in patients else None


async def _befores(here: Here, entries: Sequence[Entry], targets: dict[int, Target]) -> Befores:
    """Return the current versions of what is updated, locked until the end.

    Raises:
        Conflict: a condition found nothing, and the id that comes with the content is taken.
        VersionConflict: If-None-Match says that there is none, or that it is not this version.
    """
    named = {
        (entry.type, targets[entry.index].id): entry
        for entry in entries
        if entry.method == "PUT" and entry.index in targets and targets[entry.index].exists is not False
    }
    if not named:
        return {}
    await here.connection.execute(resources.LOCK, [f"{kind}/{identity}" for kind, identity in named])
    found = await current_of(here, list(named))
    for key, entry in named.items():
        if key in found and entry.condition is not None and targets[entry.index].exists is None:
            raise Conflict(
                f"{place_of(entry)}The condition selects nothing, and {key[0]}/{key[1]} is another resource: "
                "leave the id out, or update that one by its id."
            )
        if key in found and not found[key].deleted and names_version(entry.if_none_match, found[key].version):
            raise VersionConflict(
                f"{place_of(entry)}{key[0]}/{key[1]} is there in the version that If-None-Match excludes."
            )
    return found


async def _locked(here: Here, entry: Entry, identity: str) -> StoredResource:
    """Return the current version of what is to be patched; it stays locked until the end."""
    await here.connection.execute(resources.LOCK, [f"{entry.type}/{identity}"])
    current = (await current_of(here, [(entry.type, identity)])).get((entry.type, identity))
    if current is None:
        raise NotFound(f"{place_of(entry)}There is no {entry.type}/{identity} that this access may change.")
    if current.deleted:
        raise Gone(f"{place_of(entry)}{entry.type}/{identity} was deleted: create it again with PUT.")
    return current


def _patched(here: Here, entry: Entry, current: StoredResource) -> tuple[Resource, bytes]:
    """Return the current resource with the patch applied, validated."""
    rules = here.rules
    before = {**parse_json(current.content, rules.limits), "id": current.id}
    after = rules.patch(before, entry)
    if after == before:
        return before, current.content
    if after.get("resourceType") != entry.type or after.get("id") != current.id:
        raise InvalidResource("A patch may not change the resourceType or the id.")
    rules.check(after)
    return after, write_json_like(after, current.content, entry.content)


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
    found = await current_of(here, list(wanted.values()))
    return {index: found[key] for index, key in wanted.items() if key in found}


async def _check_deletions(here: Here, operations: Sequence[Operation]) -> None:
    """Refuse to delete what others refer to, by the rules of referential integrity.

    Raises:
        Conflict: saying how many, and naming at most five.
    """
    written = [(one.type, one.id) for one in operations]
    for one in operations:
        if one.row is not None:
            continue
        found = await referrers.referrers(
            here.grant, here.connection, one.type, one.id,
            key=here.rules.search_key, base=here.rules.fhir_base, without=written,
        )  # fmt: skip
        if found:
            many = "At least " if len(found) >= referrers.COUNTED_MAX else ""
            refer = "resource refers" if len(found) == 1 else "resources refer"
            raise Conflict(
                f"{many}{len(found)} {refer} to {one.type}/{one.id}, such as {', '.join(found[:5])}: "
                "delete or change them first, or in the same transaction."
            )


def _refuse_same(entries: Sequence[Entry], targets: dict[int, Target]) -> None:
    """Refuse two writes of one resource, which conditions can lead to, before any is worked out."""
    seen = set()
    for entry in entries:
        target = targets.get(entry.index)
        if target is None or (entry.method == "POST" and target.exists):
            continue
        key = (entry.type or type_of(entry), target.id)
        if key in seen:
            raise InvalidResource(
                f"Two entries of the Bundle write the same {key[0]}: two conditions select it."
            )
        seen.add(key)


async def _check_references(here: Here, operations: Sequence[Operation]) -> None:
    """Refuse, by the rules, a reference to nothing stored here.

    Raises:
        InvalidResource: naming at most ten of them.
    """
    if not here.rules.integrity:
        return
    written = {f"{one.type}/{one.id}" for one in operations if one.row is not None}
    prefix = here.rules.fhir_base + "/"
    wanted = {
        reference.removeprefix(prefix).partition("/_history/")[0]
        for one in operations
        if one.row is not None and one.type != "Bundle"
        for reference in one.row.index.references
    }
    gone = wanted & {f"{one.type}/{one.id}" for one in operations if one.row is None}
    await referrers.share(here.connection, wanted - written)
    missing = await resources.missing_references(here.grant, here.connection, sorted(wanted - written))
    missing = [*missing, *gone]
    if missing:
        listed = ", ".join(sorted(missing)[:10])
        raise InvalidResource(f"Referenced resources are not stored here: {listed}. Send them first.")
