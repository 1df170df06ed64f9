"""Where the node itself connects to on somebody's wish: an address is looked up once, judged, and pinned.

A name that is allowed may lead anywhere, and somewhere else a moment later (DNS rebinding). So the name is
resolved here, every address it has must be public, and the request goes to the address that was judged, with
the name in Host and TLS. Addresses of private networks need the operator's word for that host.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit, urlunsplit

import msgspec

from salus.core.errors import AccessRefused, PeerUnavailable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a host name and port; raises OSError when it has none."""

_TUNNELS = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")))
"""IPv6 that carries an IPv4 address, which a gateway would unpack."""


class Pinned(msgspec.Struct, frozen=True):
    """A URL with its host replaced by an address, and what names the host all the same.

    Args:
        url: to connect to.
        host: value of the Host header.
        server_name: for TLS: the name that the certificate must be for.
    """

    url: str
    host: str
    server_name: str


async def resolve_by_system(host: str, port: int) -> list[str]:
    """Return the addresses that the operating system knows for a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the open internet, and no way to another one."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif any(parsed in tunnel for tunnel in _TUNNELS):
            return False
    return parsed.is_global and not parsed.is_multicast


async def pin(url: str, resolve: Resolve, private_hosts: Sequence[str]) -> Pinned:
    """Resolve the host of a plain http(s) URL once, and return where to connect.

    Args:
        url: absolute, checked to be plain.
        resolve: looks names up.
        private_hosts: hosts and addresses for which the operator allows private networks.

    Raises:
        AccessRefused: an address of the host is not public, and the operator did not allow that.
        PeerUnavailable: the host has no address now.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = await resolve(host, port)
    except OSError as error:
        raise PeerUnavailable(f"The host {host} has no address now.") from error
    if not addresses:
        raise PeerUnavailable(f"The host {host} has no address now.")
    for address in addresses:
        if not is_public(address) and not {host, address} & set(private_hosts):
            raise AccessRefused(
                f"The host {host} has an address of a private network; the operator allows that in "
                "subscription_private_hosts."
            )
    first = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    return Pinned(
        url=urlunsplit((parts.scheme, f"{first}:{port}", parts.path, parts.query, "")),
        host=parts.netloc,
        server_name=host,
    )
