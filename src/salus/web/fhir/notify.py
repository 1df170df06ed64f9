"""Telling subscribers: one due subscription at a time, by whichever process of the node comes first.

What a subscriber is told passes the gate like anything it reads itself, and is written down for each patient.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx

from salus.core.access import Action, Caller, Purpose, Role
from salus.core.errors import AccessRefused, InvalidResource
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.query_string import parse_pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.match import matches
from salus.store import resources, subscriptions
from salus.store.postgres import Connection
from salus.store.rows import StoredResource
from salus.store.subscriptions import Subscription
from salus.trust.policy import AccessRequest, decide
from salus.web.fhir import writing
from salus.web.fhir.answer import UNLIMITED, resource_bytes
from salus.web.fhir.door import pass_gate
from salus.web.fhir.notification import Event, notification
from salus.web.fhir.subscribing import ACCESS_TOPIC, CHANGE_TOPIC, check_target
from salus.web.services import Services

LOOK_EVERY = timedelta(seconds=1)
BACKOFF_FIRST, BACKOFF_LONGEST = timedelta(seconds=2), timedelta(minutes=10)
FAILURES_MAX = 12
EVENTS_MAX = 100
ANSWER_SECONDS = 5.0
OVER = "The subscription has ended."


async def work_once(services: Services) -> bool:
    """Serve the subscription that has waited longest; return whether there was one."""
    now = services.clock()
    async with subscriptions.due(services.database, at=now) as (connection, watched):
        if watched is None:
            return False
        if watched.expires_at is not None and watched.expires_at <= now:
            failed = OVER
        else:
            failed = await serve(services, connection, watched, now)
    if failed:
        await end(services, watched, failed)
    return True


async def serve(services: Services, connection: Connection, watched: Subscription, now: datetime) -> str:
    """Send what is due; return why the subscription must end, "" while it goes on."""
    try:
        check_target(watched.endpoint, services.subscription_targets)
        events, seen, leaf_after = await due_events(services, connection, watched)
    except AccessRefused:
        return "The subscriber may no longer see what it subscribed to."
    except InvalidResource:
        return "The endpoint is no longer among the addresses that this node may notify."
    if events and not await delivered(services, watched, events, now):
        if watched.failures + 1 >= FAILURES_MAX:
            return "The endpoint did not take notifications; set the status to requested to start again."
        pause = min(BACKOFF_FIRST * 2**watched.failures, BACKOFF_LONGEST)
        await subscriptions.postpone(connection, watched, again_at=now + pause)
        return ""
    more = len(seen) >= EVENTS_MAX
    await subscriptions.advance(
        connection,
        watched,
        since=watched.since if more else now,
        leaf_after=leaf_after,
        seen=seen,
        notified=len(events),
        again_at=now if more else now + LOOK_EVERY,
    )
    return ""


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
    parsed = parse_query(kind, parse_pairs(query.encode("utf-8")), services.limits)
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
    full = content == "full-resource" and not resource.deleted
    name = f"{resource.type}/{resource.id}"
    body = resource_bytes(resource) if full else b""
    return Event(f"{name}/{resource.version}", name, resource.updated, resource.deleted, body)


async def due_accesses(
    services: Services, connection: Connection, watched: Subscription
) -> tuple[list[Event], list[str], int]:
    """Return the accesses of others to data of the patients whose audit the subscriber may see."""
    decision = decide(watched.caller, AccessRequest(Action.AUDIT, "AuditEvent", "AuditEvent?"))
    if not decision.permitted:
        raise AccessRefused("The subscriber may not see who accessed data.")
    leaves = await subscriptions.accesses(connection, watched, count=EVENTS_MAX)
    events = [
        Event(f"leaf/{index}", "", leaf.at)
        for index, leaf in leaves
        if leaf.patient
        and (decision.patients is None or leaf.patient in decision.patients)
        and leaf.subject != watched.caller.subject
    ]
    return events, [], leaves[-1][0] if leaves else watched.leaf_after


async def delivered(services: Services, watched: Subscription, events: list[Event], now: datetime) -> bool:
    """Send the notification; return whether the endpoint took it. A redirect is no yes."""
    topic = ACCESS_TOPIC if watched.criteria == ACCESS_TOPIC else CHANGE_TOPIC
    body = notification(
        services.fhir_base,
        watched.id,
        topic,
        watched.content,
        events,
        sent_before=watched.events,
        at=now,
    )
    headers = {"content-type": "application/fhir+json"}
    for line in watched.header:
        name, _, text = line.partition(":")
        headers[name.strip()] = text.strip()
    try:
        async with services.client.stream(
            "POST",
            watched.endpoint,
            content=body,
            headers=headers,
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
        ) as answer:
            return 200 <= answer.status_code < 300
    except httpx.HTTPError:
        return False


async def end(services: Services, watched: Subscription, reason: str) -> None:
    """Stop the delivery and say so in the Subscription: off when it is over, else error with the reason."""
    await subscriptions.stop(services.database, watched.id)
    caller = node_itself(services)
    what = f"Subscription/{watched.id}"
    async with pass_gate(services, caller, Action.READ, "Subscription", what) as access:
        stored = await resources.read(access.grant, services.database, "Subscription", watched.id)
        access.record(stored.patients)
    resource = parse_json(stored.content, UNLIMITED)
    changed = {**resource, "id": watched.id, "status": "off" if reason == OVER else "error"}
    if reason != OVER:
        changed["error"] = reason
    content = write_json(changed)
    entry = writing.single("PUT", "Subscription", identity=watched.id, resource=changed, content=content)
    await writing.write(services, caller, [entry])


def node_itself(services: Services) -> Caller:
    """Return the caller that stands for the node's own work in the audit."""
    return Caller(
        subject=f"urn:salus:node:{services.node}",
        name=f"{services.name} (subscriptions)",
        role=Role.OPERATOR,
        organisation=services.name,
        issuer=services.base_url,
        purpose=Purpose.OPERATIONS,
    )
