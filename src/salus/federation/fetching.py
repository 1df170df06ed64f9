"""What entities of the federation show to anybody, fetched by address: bounded, no redirect followed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from salus.core.addresses import is_callable_address
from salus.core.errors import NotFound, PeerUnavailable
from salus.standards.openid_federation.statement import SIZE_MAX

TIMEOUT_SECONDS = 3.0


async def fetch_text(
    client: httpx.AsyncClient,
    address: str,
    parameters: Mapping[str, str] | None = None,
    *,
    bytes_max: int = SIZE_MAX,
) -> str:
    """Return the text at an address.

    Raises:
        NotFound: whoever answers there says that there is none.
        PeerUnavailable: nobody answers in time, or not with a text of that size.
    """
    if not is_callable_address(address):
        raise PeerUnavailable(f"{address[:80]!a} is no address that a node may call")
    content = bytearray()
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            client.stream(
                "GET",
                address,
                params=parameters,
                headers={"accept-encoding": "identity"},
                follow_redirects=False,
            ) as answer,
        ):
            if answer.status_code == 404:
                raise NotFound(f"{address} knows of none")
            if answer.status_code != 200 or answer.headers.get("content-encoding", "identity") != "identity":
                raise PeerUnavailable(f"{address} answered {answer.status_code}")
            async for part in answer.aiter_raw():
                content += part
                if len(content) > bytes_max:
                    raise PeerUnavailable(f"{address} answered more than {bytes_max} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise PeerUnavailable(f"{address} cannot be reached") from error
    return content.decode("ascii", "replace").strip()


async def fetch_entities(client: httpx.AsyncClient, address: str) -> frozenset[str]:
    """Return the identifiers of whom a superior vouches for (OpenID Federation 1.0 section 8.2).

    Raises:
        PeerUnavailable: it says nothing that can be read.
    """
    text = await fetch_text(client, address)
    try:
        return frozenset(msgspec.json.decode(text, type=list[str]))
    except msgspec.DecodeError as error:
        raise PeerUnavailable(f"{address} answered no list of entities") from error


def endpoint_of(metadata: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """Return an endpoint of a federation entity. Raises PeerUnavailable where it has none."""
    found = metadata.get("federation_entity", {}).get(f"federation_{name}_endpoint")
    if not isinstance(found, str):
        raise PeerUnavailable(f"the federation's anchor offers no {name} endpoint")
    return found
