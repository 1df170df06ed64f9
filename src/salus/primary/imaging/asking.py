"""Asking an archive: only at the addresses of the settings, within bytes and time, and no answer is trusted.

No redirect is followed, no address of an answer is called, nothing is unpacked (`Accept-Encoding: identity`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import httpx
import msgspec

from salus.core.errors import NotFound, PeerUnavailable, SettingsInvalid, TooLarge
from salus.core.limits import Limits
from salus.primary.imaging.archive import Archive, authorization_of

CONNECTIONS_MAX = 8
"""Most requests to one archive at once: it has its own work to do."""
CHECKED_MAX = 2_000


class Door(msgspec.Struct, frozen=True):
    """An archive that can be asked. `checked`: until when a study's patient counts as compared."""

    archive: Archive
    client: httpx.AsyncClient
    limits: Limits
    checked: dict[tuple[str, frozenset[str]], datetime] = msgspec.field(default_factory=dict)


class Stream(msgspec.Struct, frozen=True):
    """An answer that goes through in pieces: its media type, its length where it is stated, its bytes."""

    media_type: str
    length: int | None
    pieces: AsyncIterator[bytes]
    response: httpx.Response


@asynccontextmanager
async def open_archives(
    archives: Sequence[Archive], data: Path, limits: Limits
) -> AsyncIterator[dict[str, Door]]:
    """Open the way to each archive while the context is open; nothing is asked yet.

    Raises:
        SettingsInvalid: credentials or certificates cannot be read.
    """
    doors: dict[str, Door] = {}
    try:
        for each in archives:
            doors[each.name] = Door(each, _client(each, data, limits), limits)
        yield doors
    finally:
        for door in doors.values():
            await door.client.aclose()


def _client(archive: Archive, data: Path, limits: Limits) -> httpx.AsyncClient:
    headers = {"accept-encoding": "identity"}
    if authorization := authorization_of(archive, data):
        headers["authorization"] = authorization
    verify: ssl.SSLContext | bool = True
    if archive.authorities_file:
        try:
            verify = ssl.create_default_context(cafile=str(data / archive.authorities_file))
        except (OSError, ssl.SSLError) as error:
            raise SettingsInvalid(
                f"imaging {archive.name}: authorities_file: holds no certificates that can be read (PEM)"
            ) from error
    return httpx.AsyncClient(
        timeout=limits.imaging_ms_max / 1000,
        follow_redirects=False,
        trust_env=False,
        verify=verify,
        headers=headers,
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=2),
    )


async def fetch(door: Door, address: str, accept: str, kinds: Sequence[str], *, bytes_max: int) -> bytes:
    """Return the whole answer at an address below the archive's base; b"" for none (204).

    Args:
        door: the archive.
        address: made by `standards.dicomweb.addresses`.
        accept: what is asked for.
        kinds: media types that the answer may have.
        bytes_max: more is not read.

    Raises:
        NotFound: the archive has nothing there.
        PeerUnavailable: it did not answer, not in time, or not with what was asked for.
        TooLarge: the answer is over `bytes_max`.
    """
    archive, limit_ms = door.archive, door.limits.imaging_ms_max
    try:
        async with asyncio.timeout(limit_ms / 1000):
            response = await _send(door, address, accept)
            try:
                if response.status_code == 204:
                    return b""
                _check(archive, response, kinds, bytes_max)
                found = bytearray()
                async for piece in response.aiter_raw():
                    found += piece
                    if len(found) > bytes_max:
                        raise _too_large(archive, bytes_max)
                return bytes(found)
            finally:
                await response.aclose()
    except (TimeoutError, httpx.TimeoutException) as error:
        raise PeerUnavailable(
            f"The archive {archive.name} did not answer within {limit_ms} ms; try again later."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unreachable(archive) from error


async def open_stream(door: Door, address: str, accept: str, kinds: Sequence[str]) -> Stream:
    """Return the answer at an address piece by piece; whoever asked closes its `response`.

    Raises:
        NotFound, PeerUnavailable, TooLarge: as `fetch`, before anything has come through.
    """
    archive, limits = door.archive, door.limits
    try:
        async with asyncio.timeout(limits.imaging_ms_max / 1000):
            response = await _send(door, address, accept)
    except (TimeoutError, httpx.TimeoutException) as error:
        raise PeerUnavailable(
            f"The archive {archive.name} did not answer within {limits.imaging_ms_max} ms; try again later."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unreachable(archive) from error
    try:
        _check(archive, response, kinds, limits.imaging_transfer_bytes_max)
    except BaseException:
        await response.aclose()
        raise
    stated = response.headers.get("content-length", "")
    return Stream(
        response.headers["content-type"],
        int(stated) if stated.isdecimal() else None,
        _pieces(door, response),
        response,
    )


async def _pieces(door: Door, response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield an answer within its bytes and its time.

    Raises:
        PeerUnavailable, TooLarge: what came before has left already; the connection breaks off.
    """
    passed, most = 0, door.limits.imaging_transfer_bytes_max
    until = asyncio.get_running_loop().time() + door.limits.imaging_transfer_ms_max / 1000
    incoming = response.aiter_raw()
    try:
        while True:
            # Never around a yield: whoever reads slowly is cut off by the node's own connections.
            async with asyncio.timeout_at(until):
                piece = await anext(incoming, b"")
            passed += len(piece)
            if passed > most:
                raise _too_large(door.archive, most)
            if not piece:
                return
            if asyncio.get_running_loop().time() > until:
                raise TimeoutError
            yield piece
    except (TimeoutError, httpx.HTTPError) as error:
        raise _unreachable(door.archive) from error
    finally:
        await response.aclose()


async def _send(door: Door, address: str, accept: str) -> httpx.Response:
    request = door.client.build_request(
        "GET", f"{door.archive.base_url}{address}", headers={"accept": accept}
    )
    return await door.client.send(request, stream=True)


def _check(archive: Archive, response: httpx.Response, kinds: Sequence[str], bytes_max: int) -> None:
    status = response.status_code
    if status == 404:
        raise NotFound(f"The archive {archive.name} does not hold this.")
    if status in (401, 403):
        raise PeerUnavailable(
            f"The archive {archive.name} refuses this node's credentials ({status}); its operator checks "
            "user, password_file or token_file of [[imaging]]."
        )
    if status != 200:
        raise PeerUnavailable(f"The archive {archive.name} answers with status {status}; try again later.")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in kinds or response.headers.get("content-encoding", "identity") != "identity":
        raise PeerUnavailable(f"The archive {archive.name} answers with what was not asked for.")
    stated = response.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > bytes_max:
        raise _too_large(archive, bytes_max)


def _too_large(archive: Archive, bytes_max: int) -> TooLarge:
    return TooLarge(f"The answer of the archive {archive.name} is over {bytes_max} bytes; it is not read.")


def _unreachable(archive: Archive) -> PeerUnavailable:
    return PeerUnavailable(
        f"The archive {archive.name} cannot be reached; its operator checks base_url of [[imaging]] and TLS."
    )
