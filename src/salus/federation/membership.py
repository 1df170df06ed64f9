"""The membership as a running node knows it: the newest verified list of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from salus.core.errors import AccessRefused, MalformedContent
from salus.federation.membership_list import Member, MembershipList, named, newer, read_list
from salus.standards.jose.keys import Jwk
from salus.store.federation import ANCHOR_FILE, LIST_FILE, folder_lock, read_file, stamp, write_file


class Membership:
    """Who belongs to the federation. Looks again when the list's file was replaced."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._stamp: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._list: MembershipList | None = None

    @property
    def current(self) -> MembershipList | None:
        """Return the newest verified list, None when the node has joined no federation."""
        found = stamp(self._data, LIST_FILE), stamp(self._data, ANCHOR_FILE)
        if found != self._stamp:
            self._list = read_membership(self._data)
            self._stamp = found
        return self._list

    def admitted(self, node: str, now: datetime) -> Member:
        """Return the member, if it may ask and be asked at this moment.

        Raises:
            AccessRefused: it is no member, has expired or was revoked, or there is no federation.
        """
        current = self.current
        if current is None:
            raise AccessRefused("this node has joined no federation; see `salus federation join`")
        return current.admitted(node, now)

    def is_active(self, node: str, now: datetime) -> bool:
        """Return whether the node is a member at this moment."""
        current = self.current
        return current is not None and current.state(node, now) == "active"

    def country_of(self, node: str) -> str:
        """Return the country of a node of the list, member still or not; "" for one that it does not name."""
        current = self.current
        members = () if current is None else current.members
        return next((each.country for each in members if each.node == node), "")

    def others(self, node: str, now: datetime) -> list[Member]:
        """Return every active member but the given node, in the order of the list."""
        current = self.current
        members = current.members if current is not None and now < current.expires_at else ()
        return [each for each in members if each.node != node and each.state(now) == "active"]

    def install(self, token: str) -> MembershipList:
        """Verify a signed list and keep it, if it is not older than the known one.

        Raises:
            Conflict, NotAuthenticated, MalformedContent: the list is refused; the known one stays.
        """
        return install_list(self._data, token)


def replace_list(data: Path, token: str, keys: Sequence[Jwk]) -> None:
    """Keep a list under the anchor's new keys in place of one under keys that it has taken away.

    Raises:
        NotAuthenticated: none of the new keys signed it; nothing was changed.
    """
    read_list(token.strip(), *keys)
    with folder_lock(data):
        fresh = {key["kid"] for key in named(keys)}
        write_pins(data, [*keys, *(key for key in named(read_pins(data)) if key["kid"] not in fresh)])
        write_file(data, LIST_FILE, token.strip() + "\n")
        write_pins(data, keys)


def read_membership(data: Path) -> MembershipList | None:
    """Return the folder's list, verified with the folder's anchor; None without either."""
    pins, token = read_pins(data), read_file(data, LIST_FILE)
    return read_list(token.strip(), *pins) if pins and token is not None else None


def read_anchor(data: Path) -> Jwk | None:
    """Return the newest public key of the anchor that this folder trusts, None when there is none."""
    return next(iter(read_pins(data)), None)


def read_pins(data: Path) -> tuple[Jwk, ...]:
    """Return the public keys of the anchor that this folder trusts, the newest first; () without any."""
    text = read_file(data, ANCHOR_FILE)
    if text is None:
        return ()
    try:
        return _keys_of(json.loads(text))
    except (ValueError, MalformedContent) as error:
        raise MalformedContent(f"the anchor key of {data} is no JWK; join the federation again") from error


def _keys_of(found: object) -> tuple[Jwk, ...]:
    """Return the keys of a JWK, or of a set of them."""
    keys = found.get("keys", [found]) if isinstance(found, Mapping) else None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise MalformedContent("the anchor's key is no JWK, and no set of them")
    return tuple(keys)


def write_pins(data: Path, keys: Sequence[Jwk]) -> None:
    """Trust these keys of the anchor from now on, and no others; the newest first."""
    pins = named(keys)
    write_file(data, ANCHOR_FILE, json.dumps(pins[0] if len(pins) == 1 else {"keys": pins}))


def install_list(data: Path, token: str, *, anchor: Jwk | None = None) -> MembershipList:
    """Verify a signed list and keep it in the folder.

    Args:
        data: the node's folder.
        token: the signed list.
        anchor: the key (JWK), or the set of keys, to trust from now on where the folder trusts none yet.

    Raises:
        Conflict: the list is older than the known one, or of another federation.
        NotAuthenticated: the trusted anchor did not sign it.
    """
    pins = read_pins(data)
    trusted = pins or (_keys_of(anchor) if anchor is not None else ())
    if not trusted:
        raise AccessRefused("this node trusts no anchor yet; join with the anchor's public key first")
    offered = read_list(token.strip(), *trusted)
    with folder_lock(data):
        newer(read_membership(data), offered)
        if not read_pins(data):
            write_pins(data, trusted)
        write_file(data, LIST_FILE, token.strip() + "\n")
    return offered
