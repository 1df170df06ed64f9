"""All faces as one ASGI application: request ids, body limits, requests underway, security headers, errors.

A middleware chain would cost the hot path a coroutine a layer; here one function does it all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from salus.core.errors import NotFound, SalusError, TooLarge, TooSlow
from salus.core.identifiers import new_request_id
from salus.core.limits import Limits
from salus.web.connections import Peer, Stage, pace_seconds
from salus.web.plain_text import check_address
from salus.web.problems import Problem, problem, unexpected
from salus.web.proof import is_bound
from salus.web.services import Application, Face, Receive, Scope, Send
from salus.web.surprises import trail_of

LOG = logging.getLogger("salus.web")

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# What a face may say itself; else this is said for it.
DEFAULT_HEADERS = (
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)
TRANSPORT_SECURITY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def assemble(
    faces: Sequence[Face],
    *,
    limits: Limits,
    secure: bool,
    underway: dict[Peer, Stage] | None = None,
    prove: Callable[[Scope], Awaitable[str]] | None = None,
) -> Application:
    """Return one application that sends each request to the face with the longest matching prefix.

    Args:
        faces: none may claim the same prefix as another.
        limits: a larger body is refused before it is read, one that comes too slowly while it is read, sooner
            when the request has no token.
        secure: whether the node is reached by https, so that browsers must insist on it.
        underway: is kept up to date with the connections that have a request, and how far it is.
        prove: returns the thumbprint of the key that a request with a bound token proves to hold
            (`web.proof.proven_key`); a face finds it as `scope["proven_key"]`.
    """
    by_prefix: dict[str, Application] = {}
    for face in faces:
        for prefix in face.prefixes:
            assert prefix not in by_prefix, f"two faces claim {prefix}"
            by_prefix[prefix] = face.application
    depth = max((prefix.count("/") for prefix in by_prefix), default=0)
    alone = {
        prefix: chosen
        for prefix, chosen in by_prefix.items()
        if prefix.count("/") == 1 and not any(other.startswith(f"{prefix}/") for other in by_prefix)
    }
    underway = {} if underway is None else underway
    headers = (*SECURITY_HEADERS, TRANSPORT_SECURITY) if secure else SECURITY_HEADERS

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = scope["request_id"] = new_request_id()
        started = False
        client: Peer = scope.get("client") or ("", "")
        underway[client] = Stage.ANSWERED

        def send_safely(message: MutableMapping[str, Any]) -> Awaitable[None]:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = _completed(message.get("headers", ()), headers, request_id)
            return send(message)

        try:
            if scope["method"] not in ("GET", "HEAD"):
                receive = _limited(scope, receive, limits, underway, client)
            path = scope["path"]
            check_address(path, scope.get("query_string", b""))
            end = path.find("/", 1)
            chosen = alone.get(path[:end] if end > 0 else path) or _choose(by_prefix, depth, path)
            if prove is not None and is_bound(scope):
                scope["proven_key"] = await prove(scope)
            await chosen(scope, receive, send_safely)
        except SalusError as error:
            if started:
                raise
            await _answer(problem(error), send_safely)
        except Exception as error:  # noqa: BLE001  the outermost loop: answer, write down where, go on
            _log_failure(request_id, error)
            if not started:
                await _answer(unexpected(request_id), send_safely)
        finally:
            underway.pop(client, None)

    return application


def _choose(by_prefix: dict[str, Application], depth: int, path: str) -> Application:
    """Return the application of the longest prefix of `path`; no prefix has more than `depth` segments.

    Raises:
        NotFound: no face answers there.
    """
    prefix = "/".join(path.split("/", depth + 1)[: depth + 1]).rstrip("/")
    chosen = by_prefix.get(prefix)
    while chosen is None and prefix:
        prefix = prefix.rpartition("/")[0]
        chosen = by_prefix.get(prefix)
    if chosen is None:
        raise NotFound("There is nothing at this address; the FHIR interface starts at /fhir/metadata.")
    return chosen


async def _answer(answer: Problem, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def _completed(
    headers: Any,  # Any: an iterable of pairs of bytes, as ASGI has it
    security: tuple[tuple[bytes, bytes], ...],
    request_id: str,
) -> list[tuple[bytes, bytes]]:
    """Return a response's headers with ours added."""
    said = [*headers]
    present = [name for name, _ in said]  # ASGI has names in lower case
    for pair in DEFAULT_HEADERS:
        if pair[0] not in present:
            said.append(pair)  # noqa: PERF401  two of them: a comprehension costs a frame for each answer
    return [*said, *security, (b"x-request-id", request_id.encode())]


def _limited(
    scope: Scope, receive: Receive, limits: Limits, underway: dict[Peer, Stage], client: Peer
) -> Receive:
    """Refuse a body that is too long, by its Content-Length at once, else while it arrives, or too slow.

    Until the body has arrived, the connection is `underway` as one that sends it.
    """
    most = limits.body_bytes_max
    too_large = TooLarge(f"The body is over this node's limit of {most} bytes; send it in parts.")
    announced, anonymous = False, True
    for name, text in scope["headers"]:
        if name == b"content-length" and text.isdigit():
            announced = announced or int(text) > 0
            if int(text) > most:
                raise too_large
        elif name == b"transfer-encoding":
            announced = True
        elif name == b"authorization":
            anonymous = False
    if announced:
        underway[client] = Stage.BODY_ANONYMOUS if anonymous else Stage.BODY
    loop = asyncio.get_running_loop()
    received, began, arrives = 0, loop.time(), True

    async def receive_limited() -> MutableMapping[str, Any]:
        nonlocal received, arrives
        if not arrives:  # what comes after the body is the end of the connection
            return await receive()
        try:
            async with asyncio.timeout_at(began + pace_seconds(limits, received, anonymous=anonymous)):
                message = await receive()
        except TimeoutError as error:
            raise TooSlow(
                "The body arrives too slowly: send it anew, in parts or over another line."
            ) from error
        received += len(message.get("body", b""))
        arrives = message.get("more_body", False)
        if not arrives:
            underway[client] = Stage.ANSWERED
        if received > most:
            raise too_large
        return message

    return receive_limited


def _log_failure(request_id: str, error: BaseException) -> None:
    """Write down where the code failed; not the error's text, which may quote health data."""
    LOG.error("request %s failed with %s at %s", request_id, type(error).__name__, trail_of(error))
