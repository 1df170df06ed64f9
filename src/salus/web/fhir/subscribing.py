"""Subscriptions as they are made and changed (R4 Subscription; topic backport 1.1).

A Subscription is stored like any resource; what the delivery needs is kept beside it. Its endpoint must lie
below an address that the operator listed in `subscription_targets`: the node calls nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import AccessRefused, InvalidResource, NotSupported
from salus.core.refusal import may_not
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.query_string import parse_pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.store import subscriptions
from salus.store.changes import Written
from salus.store.conditions import Here
from salus.store.subscriptions import Subscription
from salus.trust.policy import AccessRequest, Decision, decide
from salus.web.fhir.answer import WITHHELD
from salus.web.fhir.request import parse_instant
from salus.web.services import Services

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
FILTER, CONTENT = BACKPORT + "backport-filter-criteria", BACKPORT + "backport-payload-content"
ACCESS_TOPIC = "urn:salus:topic:access"
"""Topic: somebody looked at, or changed, data of a patient that the subscriber may see."""
CHANGE_TOPIC = "urn:salus:topic:change"
"""Topic: a resource that the filter criteria select was created, changed or deleted."""
CONTENTS = ("empty", "id-only", "full-resource")
PLAIN = ("ping", "resource")
PAYLOADS = ("application/fhir+json", "application/json", "application/fhir+xml", "application/xml")
HEARTBEAT = BACKPORT + "backport-heartbeat-period"
HEARTBEAT_SECONDS_MAX = 86_400
HEADERS_MAX = 8
FORBIDDEN_HEADERS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection"})


class Watch(msgspec.Struct, frozen=True):
    """What a Subscription asks for.

    Args:
        criteria: ``Observation?code=x``, or the access topic.
        endpoint: where notifications go.
        content: empty, id-only or full-resource (topic backport); ping or resource (plain R4).
        payload: media type of a plain resource, "" else.
        header: request headers to send with each.
        expires_at: when it ends by itself.
        heartbeat: seconds between signs of life, 0 for none.
    """

    criteria: str
    endpoint: str
    content: str
    payload: str
    header: tuple[str, ...]
    expires_at: datetime | None
    heartbeat: int

    @property
    def is_plain(self) -> bool:
        """Whether it is told in the way of R4, without the topic backport."""
        return self.content in PLAIN


def extension(holder: object, url: str) -> str | None:
    """Return the value of an extension as text, None when it is absent."""
    found = holder.get("extension", []) if isinstance(holder, dict) else []
    for one in found:
        if one.get("url") == url:
            values = (value for name, value in one.items() if name.startswith("value"))
            return str(next(values, ""))
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
    content, payload = read_payload(resource, channel)
    header = tuple(str(line) for line in channel.get("header", ()))
    check_header(header)
    ends = resource.get("end")
    heartbeat = int(extension(channel, HEARTBEAT) or 0)
    if heartbeat > HEARTBEAT_SECONDS_MAX:
        raise InvalidResource(f"backport-heartbeat-period is at most {HEARTBEAT_SECONDS_MAX} seconds.")
    return Watch(
        criteria=read_criteria(services, resource),
        endpoint=endpoint,
        content=content,
        payload=payload,
        header=header,
        expires_at=parse_instant(str(ends), "Subscription.end") if ends else None,
        heartbeat=heartbeat,
    )


def read_payload(resource: Resource, channel: Resource) -> tuple[str, str]:
    """Return how much is told, and for a plain resource its media type.

    Raises:
        InvalidResource, NotSupported: the node does not notify so.
    """
    media = str(channel.get("payload") or "")
    if media and media.partition(";")[0].strip() not in PAYLOADS:
        raise NotSupported("The node notifies in application/fhir+json or application/fhir+xml.")
    content = extension(channel.get("_payload"), CONTENT)
    by_topic = resource.get("criteria") in (ACCESS_TOPIC, CHANGE_TOPIC)
    if content is None and not by_topic:
        return ("resource", media) if media else ("ping", "")
    if content is None:
        content = "full-resource" if media else "empty"
    if content not in CONTENTS:
        raise InvalidResource("The payload content is empty, id-only or full-resource.")
    if "xml" in media:
        raise NotSupported("Notifications of the topic backport are in application/fhir+json only.")
    return content, ""


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
    parsed = parse_query(
        kind,
        parse_pairs(query.encode("utf-8")),
        services.limits,
        strict=True,
        registry=services.database.parameters.searching,
    )
    if parsed.includes or parsed.sort or parsed.cursor:
        raise InvalidResource("criteria selects resources: it takes no _include, _sort or paging.")
    return criteria


def require_right(caller: Caller, criteria: str) -> Decision:
    """Return the decision that lets the subscriber be told what the criteria select.

    Raises:
        AccessRefused: it may not read that, or no longer; naming the type and the rule.
    """
    if criteria == ACCESS_TOPIC:
        action, kind = Action.AUDIT, "AuditEvent"
    else:
        action, kind = Action.SEARCH, criteria.partition("?")[0]
    decision = decide(caller, AccessRequest(action, kind, "Subscription"))
    if decision.permitted:
        return decision
    raise AccessRefused(
        f"{may_not(caller, action, kind)}, so a Subscription cannot tell of it: subscribe to what it may "
        f"read, or with a token that may read {kind} (rule {decision.rule})."
    )


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
    """Return what is stored of a resource that is being written.

    A plain Subscription becomes active at once; one of the topic backport when its endpoint has answered the
    handshake.

    Raises:
        InvalidResource, NotSupported: it is a Subscription that the node cannot serve.
    """
    if resource.get("resourceType") != "Subscription" or resource.get("status") == "off":
        return resource, content
    watch = read_watch(services, resource)
    status = "active" if watch.is_plain else "requested"
    if resource.get("status") == status:
        return resource, content
    changed = {**resource, "status": status}
    changed.pop("error", None)
    return changed, write_json(changed)


async def keep(services: Services, here: Here, written: Sequence[Written]) -> None:
    """Start, change or stop the delivery of the Subscriptions that were written, in the same transaction.

    Raises:
        InvalidResource, NotSupported: a patch made of one what the node cannot serve.
        AccessRefused: the subscriber may not read what it asks to be told.
    """
    own_work = here.grant.caller.subject == subject_of_node(services)
    for one in written:
        stored = one.resource
        if stored.type != "Subscription" or one.outcome == "unchanged":
            continue
        resource = {} if stored.deleted else msgspec.json.decode(stored.content, type=dict[str, object])
        if resource.get("status") not in ("active", "requested"):
            await subscriptions.stop(here.connection, stored.id)
        elif not own_work:
            known = await subscriptions.state_of(here.grant, here.connection, stored.id)
            watch = with_header(read_watch(services, resource), () if known is None else known.header)
            maker = maker_of(here.grant.caller, known, watch)
            require_right(maker, watch.criteria)
            greeted = watch.is_plain and resource.get("status") == "active"
            terms = msgspec.structs.asdict(watch)
            await subscriptions.start(
                here.grant, here.connection, stored.id, caller=maker, greeted=greeted, **terms
            )


def maker_of(caller: Caller, known: Subscription | None, watch: Watch) -> Caller:
    """Return by whose rights the Subscription tells: whoever starts it again, it stays its maker's.

    Raises:
        AccessRefused: another than its maker changes what is told, or where.
    """
    if known is None or _is_maker(caller, known.caller):
        return caller
    was = (known.criteria, known.endpoint, known.content, known.payload, known.header)
    if was != (watch.criteria, watch.endpoint, watch.content, watch.payload, watch.header):
        raise AccessRefused(
            "Only who made a Subscription changes what it tells and where; others stop it, or start it again "
            "as it was. Make a Subscription of your own."
        )
    return known.caller


def _is_maker(caller: Caller, maker: Caller) -> bool:
    if caller.role is not maker.role:
        return False
    own = caller.patient is not None and caller.patient == maker.patient and caller.app == maker.app
    return own or (caller.issuer, caller.subject) == (maker.issuer, maker.subject)


def with_header(watch: Watch, known: Sequence[str]) -> Watch:
    """Return what is asked for with the header values that the node keeps where it showed none.

    Raises:
        InvalidResource: it keeps none of that name.
    """
    kept = {line.partition(":")[0].strip().lower(): line for line in known}
    lines = []
    for line in watch.header:
        name, _, text = line.partition(":")
        if text.strip() == WITHHELD:
            line = kept.get(name.strip().lower(), "")
            if not line:
                raise InvalidResource(f"The node keeps no value of the header {name.strip()}: send it.")
        lines.append(line)
    return msgspec.structs.replace(watch, header=tuple(lines))


def subject_of_node(services: Services) -> str:
    """Return who the node is when it works on Subscriptions itself."""
    return f"urn:salus:node:{services.node}"
