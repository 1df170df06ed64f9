"""The membership as a running node knows it: the newest verified list of its folder."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from salus.core.errors import AccessRefused, MalformedContent
from salus.federation.membership_list import Member, MembershipList, newer, read_list
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


def read_membership(data: Path) -> MembershipList | None:
    """Return the folder's list, verified with the folder's anchor; None without either."""
    anchor, token = read_anchor(data), read_file(data, LIST_FILE)
    return read_list(token.strip(), anchor) if anchor is not None and token is not None else None


def read_anchor(data: Path) -> Jwk | None:
    """Return the public key of the anchor that this folder trusts, None when there is none."""
    text = read_file(data, ANCHOR_FILE)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise MalformedContent(f"the anchor key of {data} is not JSON; join the federation again") from error
    if not isinstance(found, dict):
        raise MalformedContent(f"the anchor key of {data} is no JWK; join the federation again")
    return found


def install_list(data: Path, token: str, *, anchor: Jwk | None = None) -> MembershipList:
    """Verify a signed list and keep it in the folder.

    Args:
        data: the node's folder.
        token: the signed list.
        anchor: the key to trust from now on, where the folder trusts none yet.

    Raises:
        Conflict: the list is older than the known one, or of another federation.
        NotAuthenticated: the trusted anchor did not sign it.
    """
    trusted = read_anchor(data) or anchor
    if trusted is None:
        raise AccessRefused("this node trusts no anchor yet; join with the anchor's public key first")
    offered = read_list(token.strip(), trusted)
    with folder_lock(data):
        newer(read_membership(data), offered)
        if read_anchor(data) is None:
            write_file(data, ANCHOR_FILE, json.dumps(dict(trusted)))
        write_file(data, LIST_FILE, token.strip() + "\n")
    return offered
