"""Packages from a registry (FHIR NPM packages: GET /NAME, GET /NAME/VERSION) or from any address, bounded."""

from __future__ import annotations

import httpx
import msgspec

from salus.core.errors import NotFound, PeerUnavailable, TooLarge
from salus.standards.fhir.packages.archive import ARCHIVE_BYTES_MAX
from salus.standards.fhir.packages.manifest import is_name, is_version
from salus.standards.fhir.packages.versions import newest

REGISTRY = "https://packages.fhir.org"
LISTING_BYTES_MAX = 8 * 1024 * 1024
TIMEOUT_SECONDS = 60.0
REDIRECTS_MAX = 3


class _Listing(msgspec.Struct, frozen=True):
    """What a registry says of a package, as far as it is needed."""

    versions: dict[str, msgspec.Raw]


def fetch_package(client: httpx.Client, registry: str, name: str, version: str) -> bytes:
    """Return the archive of a package; the newest that a wildcard or "latest" stands for.

    Raises:
        NotFound: the registry has no such package or version.
        PeerUnavailable: the registry does not answer as it should.
        TooLarge: the package is larger than one may be.
    """
    if not is_name(name):
        raise NotFound(f"{name[:80]!a} cannot be a package's name; check the spelling.")
    exact = version
    if not version or version[-1:] in "xX*" or version == "latest" or version.count(".") < 2:
        exact = _newest(client, registry, name, version)
    if not is_version(exact):
        raise NotFound(f"{version[:60]!a} cannot be a package's version; check the spelling.")
    return fetch(client, f"{registry.rstrip('/')}/{name}/{exact}", ARCHIVE_BYTES_MAX)


def _newest(client: httpx.Client, registry: str, name: str, version: str) -> str:
    body = fetch(client, f"{registry.rstrip('/')}/{name}", LISTING_BYTES_MAX)
    try:
        listing = msgspec.json.decode(body, type=_Listing)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PeerUnavailable("The registry's list of versions cannot be read; name a version.") from error
    found = newest(listing.versions, version)
    if found is None:
        raise NotFound(f"The registry has no version {version or 'at all'} of {name}; name another.")
    return found


def fetch(client: httpx.Client, address: str, bytes_max: int) -> bytes:
    """Return what is at an address; errors as `fetch_package`."""
    if not address.startswith(("https://", "http://")):
        raise NotFound(f"{address[:80]!a} is no address of the web; use https://.")
    content = bytearray()
    try:
        with client.stream("GET", address) as answer:
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise NotFound(f"There is nothing at {address}; check name and version.")
            answer.raise_for_status()
            for part in answer.iter_bytes():
                content += part
                if len(content) > bytes_max:
                    raise TooLarge("The package is larger than a package may be; take another.")
    except httpx.HTTPError as error:
        raise PeerUnavailable(f"{address} does not answer: {error}. Try again, or use a file.") from error
    return bytes(content)


def client() -> httpx.Client:
    """Return a client that follows few redirects and waits no longer than a minute."""
    return httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True, max_redirects=REDIRECTS_MAX)
