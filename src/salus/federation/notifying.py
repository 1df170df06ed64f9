"""Telling another node that something it got was corrected, parted, hidden or erased (GDPR, Art. 19).

The notice is a call that this node signs; the answer is a receipt that the other one signs, which is kept:
it says what was done with the copies there, and by which law (docs/decisions/0038). Ids alone are told, and
only such as the other node got.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import httpx
import msgspec
from joserfc.jwk import ECKey
from msgspec import Meta

from salus.core.errors import (
    Conflict,
    MalformedContent,
    NotAuthenticated,
    PeerUnavailable,
    SalusError,
    Throttled,
)
from salus.federation.membership import Membership
from salus.federation.membership_list import Member, key_id
from salus.federation.signed_calls import ALGORITHMS, read_call, sign_call
from salus.federation.witnessing import exchange
from salus.standards.jose import compact
from salus.store.peer_notices import NAMES_MAX
from salus.store.postgres import Database

PATH = "/peer-notices"
TYPE = "salus-notice+jwt"
RECEIPT_TYPE = "salus-notice-receipt+jwt"
RECORDS_MAX = 10
"""Records of one person at one node: each is looked up."""
NOTICES_MAX = 300
"""From one member within about three minutes."""
NOTICE_BYTES_MAX = 64 * 1024
RECEIPT_BYTES_MAX = 16 * 1024


class Kind(StrEnum):
    """What became of what was sent: `unmerged`, it was perhaps another person's; `released`, shown again."""

    RECTIFIED = "rectified"
    UNMERGED = "unmerged"
    RESTRICTED = "restricted"
    RELEASED = "released"
    ERASED = "erased"


class Outcome(StrEnum):
    """What a node did with its copies.

    marked: they are shown with what was told. hidden: its professionals see them no more. released: they see
    them again. erased: they are gone. kept: its law keeps them as they are. none: it keeps no copies itself;
    what was told is shown to who asks for the person. unknown: it got nothing about such a person.
    """

    MARKED = "marked"
    HIDDEN = "hidden"
    RELEASED = "released"
    ERASED = "erased"
    KEPT = "kept"
    NONE = "none"
    UNKNOWN = "unknown"


_Id = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9.-]{1,64}\Z")]
_Name = Annotated[str, Meta(pattern=r"\A[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64}\Z")]
_DispenseId = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]
YEARS = range(2000, 2200)
"""Of what a notice tells: other times are no one's acts."""


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one node tells another.

    Args:
        id: the same at each try.
        kind: what became of it.
        whom: logical ids at the node that tells, by which the other knows the person.
        at: when.
        names: "Type/id" of what the other got, () for all that it got about the person.
        dispensed: dispense ids ("system|value") of what the other handed over, among what is named.
        since: of `unmerged`: what was sent before is not meant.
    """

    id: _Id
    kind: Kind
    whom: Annotated[tuple[_Id, ...], Meta(min_length=1, max_length=RECORDS_MAX)]
    at: datetime
    names: Annotated[tuple[_Name, ...], Meta(max_length=NAMES_MAX)] = ()
    dispensed: Annotated[tuple[_DispenseId, ...], Meta(max_length=NAMES_MAX)] = ()
    since: datetime | None = None


class Received(msgspec.Struct, frozen=True):
    """A notice whose signature holds, and who tells."""

    member: Member
    notice: Notice


class Receipt(msgspec.Struct, frozen=True):
    """What the other node says that it did; `token` is what it signed."""

    notice: str
    outcome: Outcome
    copies: int
    law: str
    token: str = ""


class _Said(msgspec.Struct, frozen=True):
    iss: str
    aud: str
    notice: str
    outcome: Outcome
    copies: Annotated[int, Meta(ge=0)]
    law: Annotated[str, Meta(max_length=500, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]


def sign_notice(key: ECKey, member: Member, node: str, notice: Notice, *, now: datetime) -> str:
    """Return the call that tells a member."""
    told = {"notice": msgspec.to_builtins(notice)}
    return sign_call(key, node=node, kind=TYPE, audience=f"{member.base_url}{PATH}", now=now, claims=told)


async def read_notice(
    token: str, membership: Membership, database: Database, *, audience: str, now: datetime
) -> Received:
    """Return what a member tells. Raises as `signed_calls.read_call`, and MalformedContent."""
    called = await read_call(
        token,
        membership,
        database,
        kind=TYPE,
        audience=audience,
        now=now,
        most=NOTICES_MAX,
        size_max=NOTICE_BYTES_MAX,
    )
    try:
        notice = msgspec.convert(called.claims.get("notice"), Notice)
    except msgspec.ValidationError as error:
        raise MalformedContent(f"notice is not what this address takes: {error}") from error
    for moment in (notice.at, notice.since or notice.at):
        if moment.tzinfo is None or moment.year not in YEARS:
            raise MalformedContent("at and since must be times of this age, with their time zone")
    return Received(called.member, notice)


def sign_receipt(key: ECKey, node: str, asker: str, receipt: Receipt, *, now: datetime) -> str:
    """Return what this node did, signed for the node that told it."""
    claims: dict[str, Any] = {  # values of several plain types
        "iss": node, "aud": asker, "iat": int(now.timestamp()), "notice": receipt.notice,
        "outcome": receipt.outcome.value, "copies": receipt.copies, "law": receipt.law,
    }  # fmt: skip
    return compact.sign(claims, key, kid=key_id(key.as_dict(private=False)), typ=RECEIPT_TYPE)


def read_receipt(token: str, member: Member, node: str, notice: str) -> Receipt:
    """Return what a member did on a notice of this node.

    Raises:
        PeerUnavailable: it signed no such receipt.
    """
    try:
        signed = compact.verify(token, member.keys, algorithms=ALGORITHMS)
        said = msgspec.convert(signed.claims, _Said)
    except (NotAuthenticated, msgspec.ValidationError) as error:
        raise PeerUnavailable(f"node {member.node} gave no receipt that can be read") from error
    if signed.header.get("typ") != RECEIPT_TYPE or (said.iss, said.aud, said.notice) != (
        member.node, node, notice,
    ):  # fmt: skip
        raise PeerUnavailable(f"node {member.node} gave a receipt for something else")
    return Receipt(notice, said.outcome, said.copies, said.law, token)


async def tell_member(
    client: httpx.AsyncClient, member: Member, key: ECKey, node: str, notice: Notice, *, now: datetime
) -> Receipt:
    """Tell a member, and return its receipt.

    Raises:
        PeerUnavailable, Throttled: tell it again later.
        Conflict: it takes no such notice.
    """
    token = sign_notice(key, member, node, notice, now=now)
    answer = await exchange(
        client, "POST", f"{member.base_url}{PATH}", content=token.encode(), bytes_max=RECEIPT_BYTES_MAX
    )
    if answer.status_code in (200, 404):  # 404 with a receipt: it knows no such person; without: no such door
        return read_receipt(answer.text.strip(), member, node, notice.id)
    refused: dict[int, type[SalusError]] = {400: Conflict, 409: Conflict, 429: Throttled}
    raise refused.get(answer.status_code, PeerUnavailable)(
        f"node {member.node} answered {answer.status_code} to a notice"
    )
