"""Telling subscribers: one due subscription at a time, by whichever process of the node comes first.

What a subscriber is told passes the gate like anything it reads itself, and is written down for each patient.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from salus.core.access import Action, Caller, Purpose, Role
from salus.core.errors import (
    AccessRefused,
    Gone,
    InvalidResource,
    InvalidSearch,
    NotFound,
    NotSupported,
    VersionConflict,
)
from salus.federation.registered import as_registered
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.query_string import parse_pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.match import matches
from salus.store import resources, subscriptions
from salus.store.postgres import Connection
from salus.store.rows import StoredResource
from salus.store.subscriptions import Subscription
from salus.web.fhir import writing
from salus.web.fhir.answer import UNLIMITED, resource_bytes
from salus.web.fhir.delivery import hand_over, is_plain
from salus.web.fhir.door import pass_gate
from salus.web.fhir.notification import Event, Kind
from salus.web.fhir.subscribing import ACCESS_TOPIC, check_target, require_right, subject_of_node
from salus.web.services import Services

LOOK_EVERY = timedelta(seconds=1)
BACKOFF_FIRST, BACKOFF_LONGEST = timedelta(seconds=2), timedelta(minutes=10)
FAILURES_MAX = 12
EVENTS_MAX = 100
UNHEARD = "The endpoint did not take notifications; set the status to requested to start again."


class Verdict(msgspec.Struct, frozen=True):
    """What a Subscription must say after a turn: "" for what it says already, else active, off or error."""

    status: str = ""
    error: str = ""


async def work_once(services: Services) -> bool:
    """Serve the subscription that has waited longest; return whether there was one."""
    now = services.clock()
    async with subscriptions.due(services.database, at=now) as (connection, watched):
        if watched is None:
            return False
        if watched.expires_at is not None and watched.expires_at <= now:
            verdict = Verdict("off")
        else:
            verdict = await serve(services, connection, watched, now)
    if verdict.status:
        await say(services, watched, verdict)
    return True


async def serve(services: Services, connection: Connection, watched: Subscription, now: datetime) -> Verdict:
    """Send what is due; return what the Subscription must say of it."""
    try:
        check_target(watched.endpoint, services.subscription_targets)
        watched = msgspec.structs.replace(
            watched, caller=await as_registered(services.database, watched.caller)
        )
        require_right(watched.caller, watched.criteria)
        events, seen, leaf_after = await due_events(services, connection, watched)
    except AccessRefused as error:
        return Verdict("error", f"The subscriber may no longer see what it subscribed to. {error.message}")
    except (InvalidSearch, NotSupported):
        return Verdict("error", "The criteria name a search parameter that the node no longer has.")
    except InvalidResource:
        return Verdict("error", "The endpoint is no longer among the addresses that this node may notify.")
    try:
        told = await tell(services, watched, events, now)
    except AccessRefused as error:
        return Verdict("error", error.message)
    if told is None:
        if watched.failures + 1 >= FAILURES_MAX:
            return Verdict("error", UNHEARD)
        pause = min(BACKOFF_FIRST * 2**watched.failures, BACKOFF_LONGEST)
        await subscriptions.postpone(connection, watched, again_at=now + pause)
        return Verdict()
    more = len(seen) >= EVENTS_MAX
    await subscriptions.advance(
        connection,
        watched,
        since=watched.since if more else now,
        leaf_after=leaf_after,
        seen=seen,
        notified=len(events),
        again_at=now if more else now + LOOK_EVERY,
        told_at=now if told else None,
    )
    return Verdict() if watched.greeted else Verdict("active")


async def tell(services: Services, watched: Subscription, events: list[Event], now: datetime) -> bool | None:
    """Greet, tell of the events or give a sign of life; None: the endpoint did not take it.

    Returns:
        Whether anything was sent.

    Raises:
        AccessRefused: the endpoint's host leads into a private network.
    """
    kinds: list[Kind] = []
    if not watched.greeted and not is_plain(watched):
        kinds.append("handshake")
    if events:
        kinds.append("event-notification")
    elif watched.heartbeat and not kinds:
        quiet = now - (watched.told_at or watched.since)
        if quiet >= timedelta(seconds=watched.heartbeat) and not is_plain(watched):
            kinds.append("heartbeat")
    for kind in kinds:
        if not await hand_over(services, watched, events if kind == "event-notification" else [], now, kind):
            return None
    return bool(kinds)


async def due_events(
    services: Services, connection: Connection, watched: Subscription
) -> tuple[list[Event], list[str], int]:
    """Return the events to tell of, the keys of all that was looked at, and the last leaf looked at."""
    if watched.criteria == ACCESS_TOPIC:
        return await due_accesses(services, connection, watched)
    kind, _, query = watched.criteria.partition("?")
    changed = await subscriptions.changed(connection, watched, kind, count=EVENTS_MAX)
    if not changed:
        return [], [], watched.leaf_after
    registry = services.database.parameters.searching
    pairs = parse_pairs(query.encode("utf-8"))
    parsed = parse_query(kind, pairs, services.limits, strict=True, registry=registry)
    what = f"Subscription/{watched.id}"
    events = []
    async with pass_gate(services, watched.caller, Action.SEARCH, kind, what) as access:
        found = await subscriptions.contents(
            access.grant, services.database, kind, [identity for identity, _ in changed]
        )
        for resource in found:
            if resource.deleted or matches(parsed, parsed_resource(resource)):
                access.record(resource.patients)
                events.append(event_of(resource, watched.content))
    seen = [f"{kind}/{identity}/{version}" for identity, version in changed]
    return events, seen, watched.leaf_after


def parsed_resource(resource: StoredResource) -> dict[str, object]:
    """Return a stored resource parsed, with its id and meta."""
    return parse_json(resource_bytes(resource), UNLIMITED)


def event_of(resource: StoredResource, content: str) -> Event:
    """Return the event of a changed resource."""
    full = content in ("full-resource", "resource") and not resource.deleted
    name = f"{resource.type}/{resource.id}"
    body = resource_bytes(resource) if full else b""
    return Event(f"{name}/{resource.version}", name, resource.updated, resource.deleted, body)


async def due_accesses(
    services: Services, connection: Connection, watched: Subscription
) -> tuple[list[Event], list[str], int]:
    """Return the accesses of others to data of the patients whose audit the subscriber may see."""
    decision = require_right(watched.caller, watched.criteria)
    own = {watched.caller.subject, subject_of_node(services)}
    leaves = await subscriptions.accesses(connection, watched, count=EVENTS_MAX)
    events = [
        Event(f"leaf/{index}", "", leaf.at)
        for index, leaf in leaves
        if leaf.patient
        and (decision.patients is None or leaf.patient in decision.patients)
        and leaf.subject not in own
    ]
    return events, [], leaves[-1][0] if leaves else watched.leaf_after


async def say(services: Services, watched: Subscription, verdict: Verdict) -> None:
    """Write the new status into the Subscription, and with it, unless it is active, stop the delivery."""
    caller = node_itself(services)
    what = f"Subscription/{watched.id}"
    try:
        async with pass_gate(services, caller, Action.READ, "Subscription", what) as access:
            stored = await resources.read(access.grant, services.database, "Subscription", watched.id)
            access.record(stored.patients)
    except (NotFound, Gone):
        async with services.database.system() as connection:
            await subscriptions.stop(connection, watched.id)
        return
    resource = parse_json(stored.content, UNLIMITED)
    if verdict.status == "active" and resource.get("status") != "requested":
        return
    changed = {**resource, "id": watched.id, "status": verdict.status}
    if verdict.error:
        changed["error"] = verdict.error
    entry = writing.single(
        "PUT", "Subscription", identity=watched.id, if_match=f'W/"{stored.version}"',
        resource=changed, content=write_json(changed),
    )  # fmt: skip
    with suppress(VersionConflict):  # its owner has just changed it, and so begun again
        await writing.write(services, caller, [entry])


def node_itself(services: Services) -> Caller:
    """Return the caller that stands for the node's own work in the audit."""
    return Caller(
        subject=subject_of_node(services),
        name=f"{services.name} (subscriptions)",
        role=Role.OPERATOR,
        organisation=services.name,
        issuer=services.base_url,
        purpose=Purpose.OPERATIONS,
    )
