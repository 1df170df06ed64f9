"""The body of a notification: a history Bundle that begins with the subscription's status (backport 1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from salus.standards.fhir.codec.json import write_json
from salus.web.fhir.answer import join_bundle

Json = dict[str, Any]  # FHIR content is open JSON
Kind = Literal["event-notification", "handshake", "heartbeat", "query-status"]
PROFILE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
STATUS = PROFILE + "backport-subscription-status-r4"
NOTIFICATION = PROFILE + "backport-subscription-notification-r4"


class Event(msgspec.Struct, frozen=True):
    """One thing that happened.

    Args:
        key: what it is remembered by.
        focus: the resource it is about, "Type/id"; "" for an access.
        at: when.
        deleted: the resource is no more.
        body: the resource's bytes, b"" where it is not sent.
    """

    key: str
    focus: str
    at: datetime
    deleted: bool = False
    body: bytes = b""


def notification(
    base: str,
    subscription: str,
    topic: str,
    content: str,
    events: Sequence[Event],
    *,
    sent_before: int,
    at: datetime,
    kind: Kind = "event-notification",
) -> bytes:
    """Return the Bundle for some events; what an `empty` one tells is that there are events, no more."""
    head = {
        "resourceType": "Bundle",
        "meta": {"profile": [NOTIFICATION]},
        "type": "history",
        "timestamp": instant(at),
    }
    first = {
        "fullUrl": f"{base}/Subscription/{subscription}/$status",
        "resource": status(base, subscription, topic, content, events, sent_before=sent_before, kind=kind),
        "request": {"method": "GET", "url": f"Subscription/{subscription}/$status"},
        "response": {"status": "200"},
    }
    entries = [write_json(first)]
    if content == "full-resource":
        entries += [entry(base, event) for event in events if event.focus]
    return join_bundle(head, entries)


def status(
    base: str,
    subscription: str,
    topic: str,
    content: str,
    events: Sequence[Event],
    *,
    sent_before: int,
    kind: Kind = "event-notification",
    state: str = "",
) -> Json:
    """Return the Parameters that say which subscription, in which state, and which events."""
    parameters: list[Json] = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{subscription}"}},
        {"name": "topic", "valueCanonical": topic},
        {"name": "status", "valueCode": state or ("requested" if kind == "handshake" else "active")},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(sent_before + len(events))},
    ]
    for number, event in enumerate(events, start=sent_before + 1):
        part: list[Json] = [
            {"name": "event-number", "valueString": str(number)},
            {"name": "timestamp", "valueInstant": instant(event.at)},
        ]
        if event.focus and content != "empty":
            part.append({"name": "focus", "valueReference": {"reference": f"{base}/{event.focus}"}})
        parameters.append({"name": "notification-event", "part": part})
    return {"resourceType": "Parameters", "meta": {"profile": [STATUS]}, "parameter": parameters}


def entry(base: str, event: Event) -> bytes:
    """Return the Bundle entry of an event's resource."""
    method, code = ("DELETE", "204") if event.deleted else ("PUT", "200")
    head = {
        "fullUrl": f"{base}/{event.focus}",
        "request": {"method": method, "url": event.focus},
        "response": {"status": code},
    }
    if not event.body:
        return write_json(head)
    return write_json(head)[:-1] + b',"resource":' + event.body + b"}"


def instant(moment: datetime) -> str:
    """Return a moment as FHIR writes an instant."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
