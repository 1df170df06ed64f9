"""Handing one notification to an endpoint: plain R4 or topic backport, to the address that was judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec

from salus.core.errors import PeerUnavailable
from salus.standards.fhir.codec.json import parse_as_written
from salus.store.subscriptions import Subscription
from salus.web.fhir.notification import Event, Kind, notification
from salus.web.fhir.outbound import pin
from salus.web.fhir.subscribing import ACCESS_TOPIC, CHANGE_TOPIC, PLAIN
from salus.web.services import Services

ANSWER_SECONDS = 5.0


class Message(msgspec.Struct, frozen=True):
    """One request to an endpoint; `place` is put behind its path."""

    method: str
    place: str
    media: str
    body: bytes


async def hand_over(
    services: Services, watched: Subscription, events: Sequence[Event], now: datetime, kind: Kind
) -> bool:
    """Send what the subscription is told; return whether the endpoint took all of it.

    Raises:
        AccessRefused: the endpoint's host leads into a private network.
    """
    for message in messages_of(services, watched, events, now, kind):
        if not await send(services, watched, message):
            return False
    return True


def messages_of(
    services: Services, watched: Subscription, events: Sequence[Event], now: datetime, kind: Kind
) -> list[Message]:
    """Return the requests that tell of the events.

    In the plain form of R4 an empty POST says that something happened, or each resource is put to its place
    below the endpoint; what is deleted no longer meets the criteria and is not told.
    """
    if watched.content == "ping":
        return [Message("POST", "", "", b"")]
    if watched.content == "resource":
        media = watched.payload
        return [
            Message("PUT", f"/{event.focus}", media, body_as(event.body, media))
            for event in events
            if event.body
        ]
    topic = topic_of(watched)
    body = notification(
        services.fhir_base, watched.id, topic, watched.content, events,
        sent_before=watched.events, at=now, kind=kind,
    )  # fmt: skip
    return [Message("POST", "", "application/fhir+json", body)]


def topic_of(watched: Subscription) -> str:
    """Return the canonical of the topic that is watched."""
    return ACCESS_TOPIC if watched.criteria == ACCESS_TOPIC else CHANGE_TOPIC


def is_plain(watched: Subscription) -> bool:
    """Return whether it is told in the way of R4, without the topic backport."""
    return watched.content in PLAIN


def body_as(body: bytes, media: str) -> bytes:
    """Return a resource in a media type of FHIR."""
    if "xml" not in media:
        return body
    from salus.standards.fhir.codec.xml import write_xml  # lxml is loaded only where XML is wanted

    return write_xml(parse_as_written(body))


async def send(services: Services, watched: Subscription, message: Message) -> bool:
    """Send one request; return whether the endpoint took it. A redirect is no yes.

    Raises:
        AccessRefused: the endpoint's host leads into a private network.
    """
    headers = {"content-type": message.media} if message.media else {}
    for line in watched.header:
        name, _, text = line.partition(":")
        headers[name.strip()] = text.strip()
    parts = urlsplit(watched.endpoint)
    path = parts.path.rstrip("/") + message.place if message.place else parts.path
    url = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
    try:
        pinned = await pin(url, services.resolve, services.private_hosts)
        async with services.client.stream(
            message.method,
            pinned.url,
            content=message.body,
            headers={**headers, "host": pinned.host, "connection": "close"},
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
            extensions={"sni_hostname": pinned.server_name},
        ) as answer:
            return 200 <= answer.status_code < 300
    except (httpx.HTTPError, PeerUnavailable):
        return False
