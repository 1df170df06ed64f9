"""Subscriptions as they are made and changed (R4 Subscription; topic backport 1.1).

A Subscription is stored like any resource; what the delivery needs is kept beside it. Its endpoint must lie
below an address that the operator listed in `subscription_targets`: the node calls nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from salus.core.access import Caller
from salus.core.errors import InvalidResource, NotSupported
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.query_string import parse_pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.store import subscriptions
from salus.store.transaction import Done
from salus.web.fhir.request import parse_instant
from salus.web.services import Services

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
FILTER, CONTENT = BACKPORT + "backport-filter-criteria", BACKPORT + "backport-payload-content"
ACCESS_TOPIC = "urn:salus:topic:access"
"""Topic: somebody looked at, or changed, data of a patient that the subscriber may see."""
CHANGE_TOPIC = "urn:salus:topic:change"
"""Topic: a resource that the filter criteria select was created, changed or deleted."""
CONTENTS = ("empty", "id-only", "full-resource")
HEADERS_MAX = 8
FORBIDDEN_HEADERS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection"})


class Watch(msgspec.Struct, frozen=True):
    """What a Subscription asks for.

    Args:
        criteria: ``Observation?code=x``, or the access topic.
        endpoint: where notifications go.
        content: empty, id-only or full-resource.
        header: request headers to send with each.
        expires_at: when it ends by itself.
    """

    criteria: str
    endpoint: str
    content: str
    header: tuple[str, ...]
    expires_at: datetime | None


def extension(holder: object, url: str) -> str | None:
    """Return the value of an extension with a string or code, None when it is absent."""
    found = holder.get("extension", []) if isinstance(holder, dict) else []
    for one in found:
        if one.get("url") == url:
            return str(one.get("valueCode") or one.get("valueString") or "")
    return None


def read_watch(services: Services, resource: Resource) -> Watch:
    """Return what a valid Subscription asks for.

    Raises:
        NotSupported: its channel is none that the node serves.
        InvalidResource: its endpoint is not allowed, or its criteria cannot be understood.
    """
    channel = resource.get("channel") or {}
    if channel.get("type") != "rest-hook":
        raise NotSupported("The node notifies by rest-hook only: set channel.type to rest-hook.")
    endpoint = str(channel.get("endpoint") or "")
    check_target(endpoint, services.subscription_targets)
    content = extension(channel.get("_payload"), CONTENT)
    if content is None:
        content = "full-resource" if channel.get("payload") else "empty"
    if content not in CONTENTS:
        raise InvalidResource("The payload content is empty, id-only or full-resource.")
    if channel.get("payload", "application/fhir+json") not in ("application/fhir+json", "application/json"):
        raise NotSupported("The node notifies in application/fhir+json only.")
    header = tuple(str(line) for line in channel.get("header", ()))
    check_header(header)
    ends = resource.get("end")
    return Watch(
        criteria=read_criteria(services, resource),
        endpoint=endpoint,
        content=content,
        header=header,
        expires_at=parse_instant(str(ends), "Subscription.end") if ends else None,
    )


def read_criteria(services: Services, resource: Resource) -> str:
    """Return the criteria: a search, or the access topic.

    Raises:
        InvalidResource: neither, or a search that the node cannot do.
    """
    criteria = str(resource.get("criteria") or "")
    if criteria == ACCESS_TOPIC:
        return criteria
    if criteria == CHANGE_TOPIC:
        criteria = extension(resource.get("_criteria"), FILTER) or ""
    kind, _, query = criteria.partition("?")
    if kind not in resource_types() or kind in ("AuditEvent", "Subscription"):
        raise InvalidResource(f"criteria is a search such as Observation?code=x, or {ACCESS_TOPIC}.")
    parsed = parse_query(kind, parse_pairs(query.encode("utf-8")), services.limits, strict=True)
    if parsed.includes or parsed.sort or parsed.cursor:
        raise InvalidResource("criteria selects resources: it takes no _include, _sort or paging.")
    return criteria


def check_header(header: Sequence[str]) -> None:
    """Refuse headers that would change what the request is.

    Raises:
        InvalidResource: naming the rule.
    """
    if len(header) > HEADERS_MAX:
        raise InvalidResource(f"channel.header takes at most {HEADERS_MAX} lines.")
    for line in header:
        name, colon, text = line.partition(":")
        legal = name.strip().replace("-", "").isalnum() and name.isascii() and text.isprintable()
        if not colon or not legal or name.strip().lower() in FORBIDDEN_HEADERS or not text.isascii():
            raise InvalidResource("channel.header takes lines such as Authorization: Bearer x.")


def origin(url: str) -> tuple[str, str, int, str] | None:
    """Return scheme, host, port and path of a plain http(s) address, None for any other."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    if (
        parts.fragment
        or any(part in (".", "..") for part in parts.path.split("/"))
        or "%2" in parts.path.lower()
    ):
        return None
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}[parts.scheme], parts.path or "/"


def check_target(endpoint: str, allowed: Sequence[str]) -> None:
    """Refuse an endpoint that is not below a listed address.

    Host and port must be those listed, letter by letter: another spelling of an address is another address.

    Raises:
        InvalidResource: it is not.
    """
    wanted = origin(endpoint)
    for listed in map(origin, allowed):
        if wanted is None or listed is None:
            continue
        path = listed[3].rstrip("/")
        if wanted[:3] == listed[:3] and (wanted[3] == path or wanted[3].startswith(path + "/")):
            return
    raise InvalidResource(
        "The endpoint is not among the addresses that this node may notify; ask its operator "
        "to add it to subscription_targets."
    )


def prepare(services: Services, caller: Caller, resource: Resource, content: bytes) -> tuple[Resource, bytes]:
    """Return what is stored of a resource that is being written: a requested Subscription becomes active.

    Raises:
        InvalidResource, NotSupported: it is a Subscription that the node cannot serve.
    """
    if resource.get("resourceType") != "Subscription":
        return resource, content
    if resource.get("status") == "off":
        return resource, content
    read_watch(services, resource)
    if resource.get("status") == "active":
        return resource, content
    active = {**resource, "status": "active"}
    active.pop("error", None)
    return active, write_json(active)


async def follow(services: Services, caller: Caller, done: Sequence[Done]) -> None:
    """Start, change or stop the delivery of the Subscriptions that were written."""
    for one in done:
        if one.resource is None or one.resource.type != "Subscription" or one.outcome == "unchanged":
            continue
        if one.resource.deleted:
            await subscriptions.stop(services.database, one.resource.id)
            continue
        resource = msgspec.json.decode(one.resource.content, type=dict[str, object])
        if resource.get("status") != "active":
            await subscriptions.stop(services.database, one.resource.id)
            continue
        watch = read_watch(services, resource)
        await subscriptions.start(
            services.database, one.resource.id, caller, at=services.clock(), **msgspec.structs.asdict(watch)
        )
