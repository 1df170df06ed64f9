"""The audit for those it is about and for those who watch it: own accesses, proofs, signed checkpoints.

Checkpoints (C2SP tlog-checkpoint), tiles (C2SP tlog-tiles) and proofs (RFC 9162, 2.1) are public: the entries
are salted, so that their hashes tell nothing. Entries are given to the person they are about, and to nobody
else; so there are no entry bundles (`tile/entries`).
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from salus.core.access import Action, Leaf
from salus.core.errors import AccessRefused, InvalidSearch, MethodNotAllowed, NotFound
from salus.standards.merkle.note import log_key
from salus.standards.merkle.tiles import parse_tile
from salus.store.access_log import (
    LoggedAccess,
    access_log,
    consistency_proof,
    inclusion_proof,
    inclusion_proofs,
    tile_of,
)
from salus.store.sequencer import Signer, last_checkpoint
from salus.trust.identity import authenticate
from salus.trust.keys import NodeKeys
from salus.trust.policy import AccessRequest
from salus.web.own_record import enter_own
from salus.web.services import Face, Receive, Scope, Send, Services

PAGE_COUNT_MAX = 200
REPORT_COUNT_MAX = 5_000
TILES = "/ledger/tile/"
REPORT_FORMAT = "salus-access-report/1"
_FOR_EVER = "public, max-age=31536000, immutable"


def face(services: Services) -> Face:
    """Return the door of the ledger."""
    routes: dict[str, Callable[[Services, Request], Awaitable[Response]]] = {
        "/ledger/checkpoint": _checkpoint,
        "/ledger/key": _key,
        "/ledger/inclusion": _inclusion,
        "/ledger/consistency": _consistency,
        "/ledger/accesses": _accesses,
        "/ledger/report": _report,
    }

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        handler = _tile if path.startswith(TILES) else routes.get(path)
        if handler is None:
            raise NotFound(f"The ledger answers at {', '.join(routes)} and {TILES}.")
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed("This address takes GET only.")
        answer = await handler(services, Request(scope, receive))
        await answer(scope, receive, send)

    return Face(("/ledger",), application)


def origin_of(base_url: str) -> str:
    """Return the log's name (C2SP: a URL without its scheme)."""
    return f"{base_url.partition('://')[2]}/ledger"


def signer_of(base_url: str, keys: NodeKeys) -> Signer:
    """Return what signs this node's checkpoints."""
    key = keys.ledger.private_key
    assert isinstance(key, Ed25519PrivateKey), "trust.keys has checked the ledger's key"
    return Signer(origin_of(base_url), key)


async def _checkpoint(services: Services, request: Request) -> Response:
    found = await last_checkpoint(services.database)
    if found is None:
        raise NotFound("The log is empty so far.")
    return PlainTextResponse(found[2])


async def _key(services: Services, request: Request) -> Response:
    signer = signer_of(services.base_url, services.keys)
    return PlainTextResponse(log_key(signer.origin, signer.key).text + "\n")


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
    found, following = await _own(services, request, 50, PAGE_COUNT_MAX)
    return JSONResponse({"accesses": [shown(each) for each in found], "before": following})


async def _report(services: Services, request: Request) -> Response:
    """Answer the own accesses with all that a stand-alone verifier needs, as a file."""
    found, following = await _own(services, request, REPORT_COUNT_MAX, REPORT_COUNT_MAX)
    newest = await last_checkpoint(services.database)
    size, _, note = newest or (0, b"", "")
    signed = [(each.index, each.entry) for each in found if each.index is not None and each.index < size]
    proofs = await inclusion_proofs(services.database, [index for index, _ in signed], size)
    signer = signer_of(services.base_url, services.keys)
    report = {
        "format": REPORT_FORMAT,
        "node": services.name,
        "made_at": services.clock().isoformat(),
        "log": log_key(signer.origin, signer.key).text,
        "checkpoint": note,
        "unsigned": len(found) - len(signed),
        "before": following,
        "accesses": [
            {"index": index, "entry": _base64(entry), "hashes": [_base64(each) for each in proof]}
            for (index, entry), proof in zip(signed, proofs, strict=True)
        ],
    }
    return JSONResponse(report, headers={"content-disposition": 'attachment; filename="access-report.json"'})


async def _own(
    services: Services, request: Request, count_default: int, count_max: int
) -> tuple[list[LoggedAccess], int | None]:
    """Return a page of the citizen's own accesses and what gets the next one, None on the last.

    Raises:
        AccessRefused: the caller is no citizen of this node.
        InvalidSearch: `count` or `before` is no number.
    """
    caller = authenticate(services.doorkeeper, request.headers.get("authorization"))
    if caller.patient is None:
        raise AccessRefused("An access log is shown to the citizen it is about.")
    count = min(_number(request, "count", count_default), count_max)
    if count == 0:
        raise InvalidSearch(f"count must be 1 to {count_max}.")
    before = _number(request, "before", 0) or None
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "access log", frozenset({caller.patient}))
    async with enter_own(services, caller, asked) as access:
        found = await access_log(access.grant, services.database, caller.patient, count=count, before=before)
        access.record([caller.patient], count=len(found))
    return found, found[-1].arrival if len(found) == count else None


def shown(logged: LoggedAccess) -> dict[str, Any]:  # values of several plain types
    """Return an access as JSON: the leaf in clear, and the entry's bytes that the log hashes."""
    leaf = logged.leaf
    fields = {name: getattr(leaf, name) for name in Leaf.__struct_fields__}
    return fields | {
        "at": leaf.at.isoformat(),
        "outcome": leaf.outcome.value,
        "arrival": logged.arrival,
        "index": logged.index,
        "entry": _base64(logged.entry),
    }


def _proof(hashes: list[bytes], **places: int) -> Response:
    return JSONResponse({**places, "hashes": [_base64(each) for each in hashes]})


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _number(request: Request, name: str, default: int | None = None) -> int:
    text = request.query_params.get(name, "" if default is None else str(default))
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise InvalidSearch(f"{name} must be a whole number.")
    return int(text)
