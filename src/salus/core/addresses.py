"""Addresses of other machines, as far as their spelling says where they lead."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_callable_address(address: str) -> bool:
    """Return whether a node may call this address: https, or http on loopback; nothing after the path."""
    if not address.isascii() or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.query or parts.fragment or "@" in parts.netloc or address.endswith("/") or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
