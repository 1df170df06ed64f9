"""Calls to log-in providers: the node's one HTTP client, no redirects, bounded in time and size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx

from salus.core.errors import NotAuthenticated, PeerUnavailable
from salus.core.limits import Limits

BYTES_MAX = 1024 * 1024
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


async def get(
    client: httpx.AsyncClient,
    limits: Limits,
    address: str,
    *,
    headers: Mapping[str, str] | None = None,
    accept: str = JSON,
    bytes_max: int = BYTES_MAX,
) -> bytes:
    """Return what an address answers with status 200.

    Raises:
        PeerUnavailable: nothing readable came in time.
        NotAuthenticated: it refused.
    """
    request = client.build_request("GET", address, headers=_headers(accept, headers))
    return await _answer(client, limits, request, bytes_max)


async def post(
    client: httpx.AsyncClient,
    limits: Limits,
    address: str,
    form: Mapping[str, str],
    *,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return what an address answers to a form with status 200. Raises as `get` does."""
    sent = _headers(JSON, headers) | {"content-type": FORM}
    request = client.build_request(
        "POST", address, headers=sent, content=str(httpx.QueryParams(dict(form))).encode()
    )
    return await _answer(client, limits, request, BYTES_MAX)


def _headers(accept: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    return {"accept": accept, "accept-encoding": "identity", **(headers or {})}


async def _answer(client: httpx.AsyncClient, limits: Limits, request: httpx.Request, bytes_max: int) -> bytes:
    host = request.url.host
    try:
        async with asyncio.timeout(limits.peer_deadline_ms / 1000):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                body = await _read(response, bytes_max)
            finally:
                await response.aclose()
    except (TimeoutError, httpx.TimeoutException) as error:
        raise PeerUnavailable(f"{host} did not answer in time; try again in a moment") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PeerUnavailable(f"{host} cannot be reached; try again in a moment") from error
    if response.status_code == 200:
        return body
    if 400 <= response.status_code < 500:
        raise NotAuthenticated(f"{host} refused with status {response.status_code}")
    raise PeerUnavailable(f"{host} answered with status {response.status_code}; try again in a moment")


async def _read(response: httpx.Response, bytes_max: int) -> bytes:
    """Return the body; a compressed one is refused, for a small one may unfold without end."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise PeerUnavailable(f"{response.url.host} sent a compressed answer that was not asked for")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > bytes_max:
            raise PeerUnavailable(f"{response.url.host} answered more than {bytes_max} bytes")
    return bytes(body)
