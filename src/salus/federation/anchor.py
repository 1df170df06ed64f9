"""The anchor's side: it makes the federation, admits and revokes nodes, and signs every new list.

The anchor's key lies in one folder, of a node or of its own. Nodes whose folders are on this machine get a
new list at once; the others by HTTP (`spread`) or when they ask each other (`refresh`).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from salus.core.errors import Conflict, SalusError, SettingsInvalid
from salus.federation.authority import Authority, endorse
from salus.federation.membership import (
    Membership,
    install_list,
    read_membership,
    read_pins,
    write_pins,
)
from salus.federation.membership_list import (
    LIST_SIZE_MAX,
    Member,
    MembershipList,
    named,
    next_list,
    sign_list,
    with_member,
    without_member,
)
from salus.federation.offline import ROOT, make_offline_key, public_keys, read_offline_key
from salus.standards.jose.keys import Jwk
from salus.store.federation import (
    ANCHOR_FILE,
    ANCHOR_KEY_FILE,
    LIST_FILE,
    folder_lock,
    read_file,
    stamp,
    write_file,
)

LOCAL_FILE = "local.json"
ENDORSED_FILE = "anchor-statement.jws"
ANCHOR_LOCK = "anchor.lock"
LIST_DAYS = 90
MEMBER_DAYS = 365
MEMBERS_PATH = "/federation/members"
ANCHOR_PATH = "/federation/anchor"
SPREAD_TIMEOUT_SECONDS = 5.0


def make_federation(
    folder: Path,
    name: str,
    *,
    now: datetime,
    days: int = LIST_DAYS,
    address: str = "",
    offline_key: Path | None = None,
) -> MembershipList:
    """Make the anchor's key and an empty list in the folder.

    Args:
        folder: of the node that answers for the anchor.
        name: of the federation.
        now: the present.
        days: for how long the list admits anybody, unless it is signed again.
        address: base address of that node.
        offline_key: where to write the key that says from then on which keys are the anchor's.

    Raises:
        Conflict: the folder holds or has joined a federation already.
    """
    with folder_lock(folder):
        if read_file(folder, ANCHOR_KEY_FILE) is not None or read_file(folder, LIST_FILE) is not None:
            raise Conflict(f"{folder} has a federation already; see `salus federation list`")
        offline = make_offline_key(offline_key) if offline_key is not None else None
        anchor = ECKey.generate_key("P-384", auto_kid=True)
        write_file(folder, ANCHOR_KEY_FILE, json.dumps(anchor.as_dict(private=True)))
    entity = f"{address}{ANCHOR_PATH}" if address else ""
    empty = MembershipList(name, 1, _whole(now), _whole(now) + timedelta(days=days), (), entity)
    if offline is not None:
        write_file(folder, ENDORSED_FILE, endorse(Authority(empty, (anchor,)), offline, now=now))
    install_list(folder, sign_list(empty, anchor), anchor={"keys": public_keys([anchor], offline)})
    return empty


def admit(
    anchor_folder: Path,
    member: Member,
    *,
    now: datetime,
    node_folder: Path | None = None,
    readmit: bool = False,
) -> MembershipList:
    """Sign the next list with the member on it, and bring it to every node folder of this machine.

    Args:
        anchor_folder: where the anchor's key lies.
        member: the node to admit or to renew.
        now: the present.
        node_folder: the node's folder, if it is on this machine.
        readmit: whether a node that was revoked is to belong again.

    Raises:
        Conflict: the node was revoked, and it is not said that it is to belong again.
        SettingsInvalid: the folder holds no anchor.
    """
    expires_at = _whole(now) + timedelta(days=LIST_DAYS)
    _known(anchor_folder)
    with folder_lock(anchor_folder, ANCHOR_LOCK):
        known = _known(anchor_folder)
        revoked = any(each.node == member.node and each.status == "revoked" for each in known.members)
        if revoked and not readmit:
            raise Conflict(
                f"{member.node} was revoked in federation {known.federation}; if it is to belong again, "
                "say so with --readmit"
            )
        if node_folder is not None:
            _remember(anchor_folder, member.node, node_folder)
        renewed = with_member(known, member, now=_whole(now), expires_at=expires_at)
        return _publish(anchor_folder, renewed)


def revoke(anchor_folder: Path, node: str, *, now: datetime) -> MembershipList:
    """Sign the next list with the node revoked, and bring it to every node folder of this machine."""
    expires_at = _whole(now) + timedelta(days=LIST_DAYS)
    _known(anchor_folder)
    with folder_lock(anchor_folder, ANCHOR_LOCK):
        renewed = without_member(_known(anchor_folder), node, now=_whole(now), expires_at=expires_at)
        return _publish(anchor_folder, renewed)


def settle(folder: Path, address: str, *, now: datetime) -> None:
    """Sign the register of this folder's anchor anew, if it does not say where the anchor answers, or ages.

    `address` is the base address of the folder's node. A register of before there were trust chains is so
    read once; another address of the node is taken over.
    """
    if not has_anchor(folder):
        return
    with folder_lock(folder, ANCHOR_LOCK):
        known, entity = _known(folder), f"{address}{ANCHOR_PATH}"
        expires_at = _whole(now) + timedelta(days=LIST_DAYS)
        if read_file(folder, ENDORSED_FILE) is not None:
            entity = known.anchor  # the offline key has signed that address
        if known.anchor != entity or known.expires_at < expires_at - timedelta(days=LIST_DAYS / 2):
            _publish(folder, next_list(known, now=_whole(now), expires_at=expires_at, anchor=entity))


def rotate(folder: Path, *, now: datetime, finish: bool = False) -> MembershipList:
    """Give the anchor a new key beside the old one, or take the old one away.

    In between, what the anchor says of itself is signed with the old key and names both, so that every member
    that asks in that time learns of the new one.

    Raises:
        Conflict: a change of keys is underway, or none is that could be finished.
    """
    _known(folder)
    if read_file(folder, ENDORSED_FILE) is not None:
        raise Conflict(
            "this anchor's keys are signed with its offline key; change them with: salus federation rotate "
            "--offline-key FILE"
        )
    with folder_lock(folder, ANCHOR_LOCK):
        known, keys = _known(folder), anchor_keys(folder)
        if finish == (len(keys) == 1):
            raise Conflict(
                "no change of the anchor's key is underway; begin one with: salus federation rotate"
                if finish
                else "a change of the anchor's key is underway; end it with: salus federation rotate --finish"
            )
        both = keys if finish else (ECKey.generate_key("P-384", auto_kid=True), *keys)
        keys = both[:1] if finish else both
        renewed = next_list(known, now=_whole(now), expires_at=_whole(now) + timedelta(days=LIST_DAYS))
        folders = [folder, *_folders(folder, renewed)]
        write_file(folder, ANCHOR_KEY_FILE, json.dumps({"keys": [key.as_dict(private=True) for key in keys]}))
        _trust(folders, public_keys(both))  # the list that is there is signed with the old key
        _publish(folder, renewed)
        _trust(folders, public_keys(keys))
        return renewed


def replace_key(folder: Path, offline_key: Path, *, now: datetime) -> MembershipList:
    """Give the anchor a new key in place of the old one, by its offline key.

    Members take it when they next ask the anchor, and believe the old one no more. It is also how the
    statement that the offline key has signed is renewed, before its year has ended.

    Raises:
        SettingsInvalid: the file does not hold the offline key of this federation.
    """
    _known(folder)
    with folder_lock(folder, ANCHOR_LOCK):
        known, old = _known(folder), read_pins(folder)
        offline = read_offline_key(offline_key, old)
        key = ECKey.generate_key("P-384", auto_kid=True)
        renewed = next_list(known, now=_whole(now), expires_at=_whole(now) + timedelta(days=LIST_DAYS))
        folders, pins = [folder, *_folders(folder, renewed)], public_keys([key], offline)
        write_file(folder, ANCHOR_KEY_FILE, json.dumps(key.as_dict(private=True)))
        write_file(folder, ENDORSED_FILE, endorse(Authority(renewed, (key,)), offline, now=now))
        _trust(folders, [*pins, *(each for each in named(old) if not each.get(ROOT))])
        _publish(folder, renewed)
        _trust(folders, pins)
        return renewed


def _trust(folders: Sequence[Path], pins: Sequence[Jwk]) -> None:
    for path in folders:
        write_pins(path, pins)


class AnchorFolder:
    """The anchor that a folder holds, if it does. Looks again when its register or keys were replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[tuple[int, int], ...] | None = None
        self._authority: Authority | None = None

    @property
    def current(self) -> Authority | None:
        """Return the anchor, None where the folder holds none that has an address."""
        files = (LIST_FILE, ANCHOR_KEY_FILE, ANCHOR_FILE, ENDORSED_FILE)
        found = tuple(stamp(self._folder, name) for name in files)
        if found != self._stamp:
            self._authority = read_authority(self._folder)
            self._stamp = found
        return self._authority


def read_authority(folder: Path) -> Authority | None:
    """Return the anchor of the folder, None when it holds none that has an address."""
    known = read_membership(folder) if has_anchor(folder) else None
    if known is None or not known.anchor:
        return None
    return Authority(known, anchor_keys(folder), (read_file(folder, ENDORSED_FILE) or "").strip())


def has_anchor(folder: Path) -> bool:
    """Return whether the folder holds the anchor's private key."""
    return read_file(folder, ANCHOR_KEY_FILE) is not None


async def spread(token: str, members: Sequence[Member], client: httpx.AsyncClient) -> dict[str, str]:
    """Bring the signed list to the members by HTTP; return the reason for each that did not take it."""

    async def bring(member: Member) -> str:
        try:
            answer = await client.post(
                member.base_url + MEMBERS_PATH, content=token, timeout=SPREAD_TIMEOUT_SECONDS
            )
        except httpx.HTTPError:
            return "cannot be reached"
        return "" if answer.status_code == 200 else f"answered {answer.status_code}"

    reasons = await asyncio.gather(*(bring(member) for member in members))
    return {member.node: reason for member, reason in zip(members, reasons, strict=True) if reason}


async def refresh(membership: Membership, client: httpx.AsyncClient, node: str, now: datetime) -> bool:
    """Ask one other member, by chance, for its list; return whether a newer one was taken.

    A peer's list is believed only under the anchor's signature, so any member may be asked.
    """
    current = membership.current
    others = membership.others(node, now)
    if current is None or not others:
        return False
    asked = random.choice(others)  # noqa: S311  any choice will do
    text = await _offered(client, asked)
    try:
        return text is not None and membership.install(text).version > current.version
    except SalusError:
        return False


async def _offered(client: httpx.AsyncClient, asked: Member) -> str | None:
    """Return the list that a member shows, None when it shows none."""
    content = bytearray()
    headers = {"accept-encoding": "identity"}
    try:
        async with client.stream("GET", asked.base_url + MEMBERS_PATH, headers=headers) as answer:
            async for part in answer.aiter_raw():
                content += part
                if answer.status_code != 200 or len(content) > LIST_SIZE_MAX:
                    return None
    except httpx.HTTPError:
        return None
    return content.decode("ascii", "replace")


def _known(folder: Path) -> MembershipList:
    known = read_membership(folder)
    if known is None or not has_anchor(folder):
        raise SettingsInvalid(
            f"{folder} holds no federation's anchor; make one with: salus federation init --data {folder}"
        )
    return known


def _publish(folder: Path, renewed: MembershipList) -> MembershipList:
    token = sign_list(renewed, anchor_keys(folder)[0])
    install_list(folder, token)
    for path in _folders(folder, renewed):
        install_list(path, token, anchor={"keys": list(read_pins(folder))})
    return renewed


def _folders(folder: Path, register: MembershipList) -> list[Path]:
    """Return the folders of the other members that are on this machine."""
    return [
        path
        for node, path in _local(folder).items()
        if (path / "salus.toml").exists() and path.resolve() != folder.resolve() and register.knows(node)
    ]


def anchor_keys(folder: Path) -> tuple[ECKey, ...]:
    """Return the anchor's private keys, the newest first.

    Raises:
        SettingsInvalid: they cannot be read.
    """
    try:
        found = json.loads(read_file(folder, ANCHOR_KEY_FILE) or "")
        return tuple(ECKey.import_key(each) for each in found.get("keys", [found]))
    except (JoseError, ValueError, AttributeError) as error:
        raise SettingsInvalid(
            f"the anchor's key in {folder} cannot be read; restore it from a backup"
        ) from error


def _local(folder: Path) -> dict[str, Path]:
    text = read_file(folder, LOCAL_FILE)
    found = msgspec.json.decode(text, type=dict[str, str]) if text else {}
    return {node: Path(path) for node, path in found.items()}


def _remember(folder: Path, node: str, node_folder: Path) -> None:
    known = _local(folder) | {node: node_folder.resolve()}
    write_file(folder, LOCAL_FILE, json.dumps({each: str(path) for each, path in known.items()}))


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
