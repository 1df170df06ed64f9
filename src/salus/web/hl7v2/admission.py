"""Who may connect: by address, by certificate, and never in clear beyond this machine unless that is said."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec

from salus.core.errors import SettingsInvalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Admission(msgspec.Struct, frozen=True):
    """Who may connect.

    Args:
        networks: from where; empty: from anywhere.
        tls: how a connection is secured; None: in clear.
    """

    networks: tuple[Network, ...]
    tls: ssl.SSLContext | None

    def admits(self, address: str) -> bool:
        """Return whether a connection from an address is taken."""
        if not self.networks:
            return True
        found = ipaddress.ip_address(address.partition("%")[0])
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return any((mapped or found) in network for network in self.networks)


def admission(
    host: str,
    allowed: Sequence[str],
    *,
    certificate: Path | None,
    key: Path | None,
    client_authority: Path | None,
    in_clear: bool,
) -> Admission:
    """Return who may connect to a listener on `host`.

    Args:
        host: address that is listened on.
        allowed: addresses or networks (CIDR) of senders.
        certificate: PEM file of the certificate (chain); None: in clear.
        key: PEM file of its key; None: in the same file.
        client_authority: PEM file of who certifies the senders; they must then show a certificate.
        in_clear: listen in clear beyond this machine all the same.

    Raises:
        SettingsInvalid: it would be open to anyone, in clear without that being said, or a file or address
            cannot be used.
    """
    if certificate is None and (key or client_authority):
        raise SettingsInvalid("--tls-key and --client-ca need --tls-cert.")
    is_local = _is_loopback(host)
    if certificate is None and not is_local and not in_clear:
        raise SettingsInvalid(
            f"Messages would cross the network of {host} in clear: name --tls-cert, or say --in-clear where "
            "the network itself is sealed (a tunnel, a sidecar)."
        )
    if not is_local and not allowed and client_authority is None:
        raise SettingsInvalid(
            f"Anyone who reaches {host} could write records: name the senders by --allow ADDRESS, or who "
            "certifies them by --client-ca FILE."
        )
    tls = None if certificate is None else _tls(certificate, key, client_authority)
    return Admission(tuple(_network(each) for each in allowed), tls)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise SettingsInvalid(f"--allow {text[:80]} is no address or network, as 10.1.0.0/16.") from error


def _tls(certificate: Path, key: Path | None, client_authority: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # IHE ATNA, BCP 195
    try:
        context.load_cert_chain(certificate, key)
        if client_authority is not None:
            context.load_verify_locations(client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # an ssl.SSLError is one
        raise SettingsInvalid(
            f"The certificate, its key or the authority cannot be used: {error.strerror or error}. They are "
            "PEM files, the key without a password."
        ) from error
    return context
