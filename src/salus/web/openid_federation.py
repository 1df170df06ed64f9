"""OpenID Federation 1.0: what this node says of itself, and the anchor's endpoints where the node holds one.

All of it is public: statements prove themselves. Errors are those of section 8.9.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.errors import AccessRefused, MalformedContent, NotFound, SalusError, TooLarge
from salus.federation import authority
from salus.federation.anchor import ANCHOR_PATH, AnchorFolder
from salus.federation.authority import Authority
from salus.federation.entity import HEALTH_NODE, TYPES, LedgerKeys, member_mark, node_configuration
from salus.federation.membership_list import Member, key_id
from salus.standards.openid_federation.responses import (
    MARK_MEDIA_TYPE,
    RESOLVE_MEDIA_TYPE,
    STATEMENT_MEDIA_TYPE,
    STATUS_MEDIA_TYPE,
    WELL_KNOWN,
)
from salus.web.addresses import find, methods_of
from salus.web.services import Face, Receive, Scope, Send, Services

FORM_BYTES_MAX = 32 * 1024
FIELDS_MAX = 20


def face(services: Services) -> Face:
    """Return the door of the federation's entities."""
    anchor = AnchorFolder(services.data)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        handler, _ = find(ADDRESSES, request.method, request.url.path)
        try:
            if handler is _configuration:
                answer = await _configuration(services)
            elif anchor.current is None:
                raise NotFound("This node holds no federation's anchor.")
            else:
                answer = await ENDPOINTS[request.url.path](services, anchor.current, request)
        except SalusError as error:
            answer = _error(error)
        await answer(scope, receive, send)

    return Face((WELL_KNOWN, ANCHOR_PATH), application, methods_of(ADDRESSES), tuple(ADDRESSES))


def member_of(services: Services) -> Member:
    """Return this node as its federation knows it; when its membership ends is the register's to say."""
    public = services.keys.federation.as_dict(private=False)
    jwk = {name: public[name] for name in ("kty", "crv", "x", "y")} | {"kid": key_id(public), "alg": "ES384"}
    return Member(services.node, services.country, services.name, services.base_url, [jwk], services.clock())


async def _configuration(services: Services) -> Response:
    current = services.membership.current
    text = node_configuration(
        member_of(services),
        services.keys.federation,
        anchor=current.anchor if current else "",
        marks=await services.chains.superior.own_marks(services.base_url),
        ledger=LedgerKeys(services.witnesses.log.text, services.witnesses.witness_key.text),
        now=services.clock(),
    )
    return Response(text, media_type=STATEMENT_MEDIA_TYPE)


async def _anchor(services: Services, anchor: Authority, request: Request) -> Response:
    text = authority.configuration(anchor, now=services.clock())
    return Response(text, media_type=STATEMENT_MEDIA_TYPE)


async def _fetch(services: Services, anchor: Authority, request: Request) -> Response:
    subject = _wanted(request, "sub")
    text = authority.statement_about(anchor, subject, now=services.clock())
    return Response(text, media_type=STATEMENT_MEDIA_TYPE)


async def _list(services: Services, anchor: Authority, request: Request) -> Response:
    """List whom the anchor vouches for; all are leaves, of the types of a health node, and bear its mark."""
    query = request.query_params
    kinds, mark = query.getlist("entity_type"), query.get("trust_mark_type")
    none = (
        query.get("intermediate") == "true"
        or (kinds and not {HEALTH_NODE, *TYPES} & set(kinds))
        or mark not in (None, member_mark(anchor.entity))
    )
    return JSONResponse([] if none else authority.subjects(anchor, now=services.clock()))


async def _marked(services: Services, anchor: Authority, request: Request) -> Response:
    kind, subject = _wanted(request, "trust_mark_type"), request.query_params.get("sub")
    found = authority.subjects(anchor, now=services.clock()) if kind == member_mark(anchor.entity) else []
    return JSONResponse([each for each in found if subject in (None, each)])


async def _mark(services: Services, anchor: Authority, request: Request) -> Response:
    if _wanted(request, "trust_mark_type") != member_mark(anchor.entity):
        raise NotFound(f"The anchor gives marks of type {member_mark(anchor.entity)} only.")
    text = authority.mark_for(anchor, _wanted(request, "sub"), now=services.clock())
    return Response(text, media_type=MARK_MEDIA_TYPE)


async def _status(services: Services, anchor: Authority, request: Request) -> Response:
    mark = (await _form(request)).get("trust_mark", "")
    return Response(authority.mark_status(anchor, mark, now=services.clock()), media_type=STATUS_MEDIA_TYPE)


async def _resolve(services: Services, anchor: Authority, request: Request) -> Response:
    subject = _wanted(request, "sub")
    if anchor.entity not in request.query_params.getlist("trust_anchor"):
        raise NotFound(f"Here chains lead to the trust_anchor {anchor.entity} only.")
    member = authority.member_at(anchor, subject, now=services.clock())
    try:
        held, _ = await services.chains.vouched(member)
    except AccessRefused as error:
        raise NotFound(error.message) from error
    text = authority.resolution(anchor, held.chain, held.tokens, now=services.clock())
    return Response(text, media_type=RESOLVE_MEDIA_TYPE)


def _wanted(request: Request, name: str) -> str:
    found = request.query_params.getlist(name)
    if len(found) != 1 or not found[0]:
        raise MalformedContent(f"Give the parameter {name}, once.")
    return found[0]


async def _form(request: Request) -> dict[str, str]:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES_MAX:
            raise TooLarge(f"A form has at most {FORM_BYTES_MAX} bytes.")
    try:
        return dict(parse_qsl(body.decode("utf-8"), max_num_fields=FIELDS_MAX))
    except ValueError as error:
        raise MalformedContent("Send the trust mark as a form: trust_mark=...") from error


def _error(error: SalusError) -> Response:
    word = "not_found" if isinstance(error, NotFound) else "invalid_request"
    return JSONResponse({"error": word, "error_description": error.message}, error.status)


Endpoint = Callable[[Services, Authority, Request], Awaitable[Response]]
ENDPOINTS: Mapping[str, Endpoint] = {
    f"{ANCHOR_PATH}{WELL_KNOWN}": _anchor,
    f"{ANCHOR_PATH}/fetch": _fetch,
    f"{ANCHOR_PATH}/list": _list,
    f"{ANCHOR_PATH}/resolve": _resolve,
    f"{ANCHOR_PATH}/trust_mark": _mark,
    f"{ANCHOR_PATH}/trust_mark_list": _marked,
    f"{ANCHOR_PATH}/trust_mark_status": _status,
}
ADDRESSES: Mapping[str, Mapping[str, object]] = {WELL_KNOWN: {"GET": _configuration}} | {
    path: {"POST" if handler is _status else "GET": handler} for path, handler in ENDPOINTS.items()
}
