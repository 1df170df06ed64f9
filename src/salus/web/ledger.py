"""The audit for those it is about and for those who watch it: own accesses, proofs, signed checkpoints.

Checkpoints (C2SP tlog-checkpoint), tiles (C2SP tlog-tiles) and proofs (RFC 9162, 2.1) are public: the entries
are salted, so that their hashes tell nothing. Entries are given to the person they are about, and to nobody
else; so there are no entry bundles (`tile/entries`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from salus.core.access import Action, Caller, Leaf
from salus.core.errors import AccessRefused, InvalidSearch, NotFound
from salus.federation.witnessing import log_name, state_of
from salus.standards.merkle.note import VerifierKey, log_key
from salus.standards.merkle.tiles import parse_tile
from salus.store.access_log import (
    LoggedAccess,
    access_log,
    consistency_proof,
    inclusion_proof,
    tile_of,
)
from salus.store.requests import leaves_of_request
from salus.store.sequencer import Signer, last_checkpoint
from salus.trust.explain import explain_to_citizen
from salus.trust.identity import authenticate
from salus.trust.keys import NodeKeys
from salus.trust.policy import AccessRequest
from salus.web import reconciling, withholdings, witness
from salus.web.access_report import access_report, base64_of
from salus.web.addresses import find, methods_of
from salus.web.own_record import check_named, enter_own
from salus.web.proof import proven
from salus.web.services import Face, Receive, Scope, Send, Services

PAGE_COUNT_MAX = 200
_PAGE_COUNT_DEFAULT = 50
_REQUEST_LENGTH_MAX = 64
TILES = "/ledger/tile"
TILE = TILES + "/{level}/{index}"
OWN = {"/ledger/accesses", "/ledger/report", "/ledger/explain"}
"""The addresses that answer the person they are about."""
_FOR_EVER = "public, max-age=31536000, immutable"


def face(services: Services) -> Face:
    """Return the door of the ledger."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        is_tile = scope["path"].startswith(f"{TILES}/")
        handler, _ = find(ADDRESSES, scope["method"], TILE if is_tile else scope["path"])
        answer = await handler(services, Request(scope, receive))
        await answer(scope, receive, send)

    public = set(ADDRESSES) - OWN - set(withholdings.ADDRESSES)
    return Face(("/ledger",), application, methods_of(ADDRESSES), public)


def signer_of(base_url: str, keys: NodeKeys) -> Signer:
    """Return what signs this node's checkpoints."""
    key = keys.ledger.private_key
    assert isinstance(key, Ed25519PrivateKey), "trust.keys has checked the ledger's key"
    return Signer(log_name(base_url), key, keys.pseudonym)


async def _checkpoint(services: Services, request: Request) -> Response:
    """Show the newest checkpoint that a quorum of witnesses signed; the newest of all where none has."""
    witnessed = (await state_of(services.witnesses)).witnessed
    found = await last_checkpoint(services.database)
    if found is None:
        raise NotFound("The log is empty so far.")
    return PlainTextResponse(found[2] if witnessed is None else witnessed.note)


def key_of(services: Services) -> VerifierKey:
    """Return the key that verifies this node's checkpoints."""
    signer = signer_of(services.base_url, services.keys)
    return log_key(signer.origin, signer.key)


async def _key(services: Services, request: Request) -> Response:
    return PlainTextResponse(key_of(services).text + "\n")


async def _inclusion(services: Services, request: Request) -> Response:
    index, size = _number(request, "index"), _number(request, "size")
    return _proof(await inclusion_proof(services.database, index, size), index=index, size=size)


async def _consistency(services: Services, request: Request) -> Response:
    before, after = _number(request, "before"), _number(request, "after")
    return _proof(await consistency_proof(services.database, before, after), before=before, after=after)


async def _tile(services: Services, request: Request) -> Response:
    tile = parse_tile(request.scope["path"].removeprefix("/ledger/"))
    body = await tile_of(services.database, tile)
    return Response(body, media_type="application/octet-stream", headers={"cache-control": _FOR_EVER})


async def _accesses(services: Services, request: Request) -> Response:
    caller = _citizen(services, request)
    count = min(_number(request, "count", _PAGE_COUNT_DEFAULT), PAGE_COUNT_MAX)
    if count == 0:
        raise InvalidSearch(f"count must be 1 to {PAGE_COUNT_MAX}.")
    before = _number(request, "before", 0) or None
    patient = caller.patient or ""
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "access log", frozenset({patient}))
    async with enter_own(services, caller, asked) as access:
        found = await access_log(access.grant, services.database, patient, count=count, before=before)
        access.record([patient], count=len(found))
    following = found[-1].arrival if len(found) == count else None
    return JSONResponse({"accesses": [shown(each) for each in found], "before": following})


async def _report(services: Services, request: Request) -> Response:
    caller = _citizen(services, request)
    return await access_report(services, key_of(services), caller, _number(request, "before", 0) or None)


def _citizen(services: Services, request: Request) -> Caller:
    """Return the citizen who asks.

    Raises:
        AccessRefused: the caller is no citizen of this node.
    """
    caller = authenticate(services.doorkeeper, request.headers.get("authorization"), proven(request.scope))
    if caller.patient is None:
        raise AccessRefused("An access log is shown to the citizen it is about.")
    check_named(caller, request)
    return caller


async def _explain(services: Services, request: Request) -> Response:
    """Say why each access of one request to the citizen's own record was permitted or refused."""
    caller = authenticate(services.doorkeeper, request.headers.get("authorization"), proven(request.scope))
    if caller.patient is None:
        raise AccessRefused("An access is explained to the citizen it is about.")
    check_named(caller, request)
    named = request.query_params.get("request", "")
    if not 0 < len(named) <= _REQUEST_LENGTH_MAX:
        raise InvalidSearch("request must be the id of a request, as /ledger/accesses shows it.")
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "explanation", frozenset({caller.patient}))
    async with enter_own(services, caller, asked) as access:
        leaves = await leaves_of_request(access.grant, services.database, named)
        access.record([caller.patient], count=len(leaves))
    if not leaves:
        raise NotFound("No access to your record has this id; /ledger/accesses lists those there are.")
    explained = [msgspec.to_builtins(explain_to_citizen(leaf)) for leaf in leaves]
    return JSONResponse({"request": named, "accesses": explained})


def shown(logged: LoggedAccess) -> dict[str, Any]:  # values of several plain types
    """Return an access as JSON: the leaf in clear, and the entry's bytes that the log hashes."""
    leaf = logged.leaf
    fields = {name: getattr(leaf, name) for name in Leaf.__struct_fields__}
    return fields | {
        "at": leaf.at.isoformat(),
        "outcome": leaf.outcome.value,
        "arrival": logged.arrival,
        "index": logged.index,
        "entry": base64_of(logged.entry) or None,
        "withheld_until": None if logged.withheld_until is None else logged.withheld_until.isoformat(),
    }


def _proof(hashes: list[bytes], **places: int) -> Response:
    return JSONResponse({**places, "hashes": [base64_of(each) for each in hashes]})


def _number(request: Request, name: str, default: int | None = None) -> int:
    text = request.query_params.get(name, "" if default is None else str(default))
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise InvalidSearch(f"{name} must be a whole number.")
    return int(text)


Handler = Callable[[Services, Request], Awaitable[Response]]
ADDRESSES: Mapping[str, Mapping[str, Handler]] = {
    "/ledger/checkpoint": {"GET": _checkpoint},
    "/ledger/key": {"GET": _key},
    "/ledger/inclusion": {"GET": _inclusion},
    "/ledger/consistency": {"GET": _consistency},
    TILE: {"GET": _tile},
    "/ledger/accesses": {"GET": _accesses},
    "/ledger/report": {"GET": _report},
    "/ledger/explain": {"GET": _explain},
    **witness.ADDRESSES,
    **withholdings.ADDRESSES,
    **reconciling.ADDRESSES,
}
