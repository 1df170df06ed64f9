"""The link itself: `shlink:/` and a payload in base64url (SMART Health Links, "SMART Health Link Payload").

A viewer's address may stand before it, up to `#`. Whoever has the link can read what it leads to: it holds
the key, so neither it nor its payload belongs in a log.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import msgspec

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.jose.compact import moment
from salus.standards.jose.encoding import decode, encode, read_object

SCHEME = "shlink:/"
KEY_BYTES = 32
URL_LENGTH_MAX = 128
LABEL_LENGTH_MAX = 80
LENGTH_MAX = 8 * 1024
FLAGS = "LPU"
VERSION = 1


class HealthLink(msgspec.Struct, frozen=True):
    """What a link says.

    Args:
        url: of the manifest; with flag U, of the one file.
        key: that opens the files (32 bytes).
        flag: "L" long-term, "P" passcode needed, "U" direct file; in that order.
        label: for people, "" for none.
        expires_at: seconds since 1970; a hint to whoever reads it, the server decides. None for never.
    """

    url: str
    key: bytes
    flag: str = ""
    label: str = ""
    expires_at: float | None = None


def write_link(link: HealthLink, *, viewer: str = "") -> str:
    """Return the link, behind a viewer's address if one is given."""
    payload = {"url": link.url, "key": encode(link.key)}
    payload |= {"flag": link.flag} if link.flag else {}
    payload |= {"label": link.label} if link.label else {}
    exp = {} if link.expires_at is None else {"exp": int(link.expires_at)}
    text = f"{SCHEME}{encode(msgspec.json.encode(payload | exp | {'v': VERSION}))}"
    return f"{viewer}#{text}" if viewer else text


def read_link(text: str, *, now: float) -> HealthLink:
    """Return what a link says, once every rule for its payload holds.

    Args:
        text: the link, with or without a viewer's address before it.
        now: the present, in seconds since 1970.

    Raises:
        MalformedContent: the rule that is broken is named; nothing of the link is repeated.
    """
    before, scheme, payload = text.strip().rpartition(SCHEME)
    if len(text) > LENGTH_MAX or not scheme or (before and not before.endswith("#")):
        raise MalformedContent(
            "this is no SMART Health Link: it must begin with shlink:/, or a viewer's address"
        )
    return check_payload(read_object(decode(payload)), now=now)


def check_payload(payload: dict[str, object], *, now: float) -> HealthLink:
    """Return the link that a payload makes. Raises as `read_link`; unknown members are left out."""
    flag, label = payload.get("flag", ""), payload.get("label", "")
    if payload.get("v", VERSION) != VERSION:
        raise MalformedContent("the link is of a version that this node does not read")
    if not isinstance(flag, str) or flag != "".join(letter for letter in FLAGS if letter in flag):
        raise MalformedContent("the link's flag must be letters of L, P and U, in that order")
    if "U" in flag and "P" in flag:
        raise MalformedContent("a link with flag U has no passcode (flag P)")
    if not isinstance(label, str) or len(label) > LABEL_LENGTH_MAX:
        raise MalformedContent(f"the link's label must be a text of at most {LABEL_LENGTH_MAX} characters")
    return HealthLink(_url(payload.get("url")), _key(payload.get("key")), flag, label, _end(payload, now))


def _url(found: object) -> str:
    if not isinstance(found, str) or not 0 < len(found) <= URL_LENGTH_MAX or not found.isascii():
        raise MalformedContent(f"the link's url must be a text of at most {URL_LENGTH_MAX} characters")
    try:
        parts = urlsplit(found)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise MalformedContent("the link's url is none") from error
    if parts.scheme != "https" or not host or parts.username is not None or port == 0:
        raise MalformedContent("the link's url must be an https address")
    if _is_inside(host):
        raise MalformedContent("the link's url must not lead into a machine's own network")
    return found


def _is_inside(host: str) -> bool:
    """Return whether a host is by its spelling not one of the public network."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        # Resolvers take "127.1", "0x7f.1" and "2130706433" for addresses; no public name ends in a number.
        return host.rstrip(".").rpartition(".")[2][:1].isdigit()


def _key(found: object) -> bytes:
    key = decode(found) if isinstance(found, str) else b""
    if len(key) != KEY_BYTES:
        raise MalformedContent("the link's key must be 43 characters of base64url (32 bytes)")
    return key


def _end(payload: dict[str, object], now: float) -> float | None:
    if "exp" not in payload:
        return None
    try:
        end = moment(payload, "exp")
    except NotAuthenticated as error:
        raise MalformedContent(f"the link's {error.message}") from error
    if end <= now:
        raise MalformedContent("the link has expired")
    return end
