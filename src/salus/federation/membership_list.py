"""The anchor's register of members: a list that it signs and gives to every node.

The list is a JWS (ES384) that names every member with its address, keys, end and status. Its version
only rises: a node keeps the newest list it has verified and refuses an older one, so that a revocation
cannot be taken back by replaying yesterday's list. A list that has expired admits nobody.

The list says whom there is to ask. By itself it opens nothing: that takes a trust chain (`chains.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from unicodedata import category

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from salus.core.addresses import is_callable_address
from salus.core.errors import AccessRefused, Conflict, MalformedContent, NotAuthenticated
from salus.core.identifiers import is_fhir_id
from salus.standards.jose import compact
from salus.standards.jose.keys import Jwk

ALGORITHMS = frozenset({"ES384"})
LIST_TYPE = "salus-membership+jwt"
REQUEST_TYPE = "salus-join-request+jwt"
LIST_SIZE_MAX = 4 * 1024 * 1024
MEMBERS_MAX = 2_000
KEYS_MAX = 5


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node of the federation.

    Args:
        node: its id, unique in the federation; also its OAuth client id at the other nodes.
        country: ISO 3166-1 alpha-2, upper case.
        name: for people.
        base_url: its address without a trailing slash: https, or http on the loopback interface.
        keys: public keys that sign its assertions (JWKs with a kid), newest first.
        valid_until: when its membership ends unless renewed.
        status: revoked members stay on the list, so that the list says so.
    """

    node: str
    country: str
    name: str
    base_url: str
    keys: list[dict[str, Any]]
    valid_until: datetime
    status: Literal["active", "revoked"] = "active"

    @property
    def token_endpoint(self) -> str:
        """Return the only audience the member accepts in an assertion."""
        return f"{self.base_url}/oauth/token"

    @property
    def fhir_base(self) -> str:
        """Return the member's FHIR base address."""
        return f"{self.base_url}/fhir"

    def state(self, now: datetime) -> str:
        """Return "active", "expired" or "revoked"."""
        if self.status == "revoked":
            return "revoked"
        return "active" if now < self.valid_until else "expired"


class MembershipList(msgspec.Struct, frozen=True):
    """The list as signed.

    Args:
        federation: its name.
        version: rises with every change.
        issued_at, expires_at: when it was signed and until when it admits anybody.
        members: each node once.
        anchor: entity identifier of the anchor (OpenID Federation 1.0), "" in a list of before there was one.
    """

    federation: str
    version: int
    issued_at: datetime
    expires_at: datetime
    members: tuple[Member, ...]
    anchor: str = ""

    def state(self, node: str, now: datetime) -> str:
        """Return "active", "expired", "revoked" or "unknown" for the node id."""
        found = next((member for member in self.members if member.node == node), None)
        if found is None:
            return "unknown"
        return found.state(now) if now < self.expires_at else "expired"

    def knows(self, node: str) -> bool:
        """Return whether the list names the node, in whatever state."""
        return any(member.node == node for member in self.members)

    def admitted(self, node: str, now: datetime) -> Member:
        """Return the member, if it may ask and be asked at this moment.

        Raises:
            AccessRefused: the node is no member, has expired or was revoked.
        """
        state = self.state(node, now)
        if state != "active":
            raise AccessRefused(f"node {node[:80]} has no active membership in this federation ({state})")
        return next(member for member in self.members if member.node == node)


def sign_list(membership: MembershipList, anchor: ECKey) -> str:
    """Return the list as the anchor signs it."""
    for member in membership.members:
        check_member(member)
    claims = {
        "iss": membership.federation,
        "iat": int(membership.issued_at.timestamp()),
        "exp": int(membership.expires_at.timestamp()),
        "version": membership.version,
        "members": msgspec.to_builtins(membership.members),
    }
    if membership.anchor:
        claims["anchor"] = membership.anchor
    return compact.sign(claims, anchor, kid=key_id(anchor.as_dict(private=False)), typ=LIST_TYPE)


def read_list(token: str, *anchors: Jwk) -> MembershipList:
    """Return the list in the token, if the anchor signed it with one of these keys.

    Raises:
        NotAuthenticated: it was signed by someone else or cannot be read.
        MalformedContent: signed, but not a list.
    """
    claims = _verified(token, anchors, LIST_TYPE, LIST_SIZE_MAX)
    try:
        version = msgspec.convert(claims.get("version"), int)
        members = msgspec.convert(claims.get("members"), tuple[Member, ...])
        federation, address = (
            msgspec.convert(each, str) for each in (claims.get("iss"), claims.get("anchor", ""))
        )
        issued_at, expires_at = (
            datetime.fromtimestamp(msgspec.convert(claims.get(name), int), UTC) for name in ("iat", "exp")
        )
    except (msgspec.ValidationError, ValueError, OverflowError, OSError) as error:
        raise MalformedContent(f"the membership list cannot be read: {error}") from error
    for member in members:
        check_member(member)
    if address and not is_callable_address(address):
        raise MalformedContent("the anchor's address must be https, or http on loopback, without a query")
    if not is_printable(federation):
        raise MalformedContent("the federation's name must not hold control characters")
    if len({member.node for member in members}) != len(members) or len(members) > MEMBERS_MAX:
        raise MalformedContent(f"the list must hold each node once and at most {MEMBERS_MAX} nodes")
    return MembershipList(federation, version, issued_at, expires_at, members, address)


def newer(known: MembershipList | None, offered: MembershipList) -> MembershipList:
    """Return the offered list, if it may replace the known one.

    Raises:
        Conflict: it is older, of another federation, or differs under the same version.
    """
    if known is None:
        return offered
    if offered.federation != known.federation:
        raise Conflict(
            f"the list is of federation {offered.federation[:80]}, this node's is {known.federation}"
        )
    if offered.version < known.version:
        raise Conflict(f"list version {offered.version} is older than the known version {known.version}")
    if offered.version == known.version and offered != known:
        raise Conflict(f"two different lists carry version {known.version}; ask the anchor's operator")
    return offered


def with_member(
    known: MembershipList, member: Member, *, now: datetime, expires_at: datetime
) -> MembershipList:
    """Return the next version of the list, with the member added or replaced."""
    check_member(member)
    others = tuple(other for other in known.members if other.node != member.node)
    members = tuple(sorted((*others, member), key=lambda each: each.node))
    return next_list(known, now=now, expires_at=expires_at, members=members)


def next_list(
    known: MembershipList, *, now: datetime, expires_at: datetime, **changes: Any
) -> MembershipList:  # Any: fields of the list
    """Return the next version of the list, with these changes."""
    return msgspec.structs.replace(
        known, version=known.version + 1, issued_at=now, expires_at=expires_at, **changes
    )


def without_member(
    known: MembershipList, node: str, *, now: datetime, expires_at: datetime
) -> MembershipList:
    """Return the next version of the list, with the member revoked.

    Raises:
        Conflict: the node is not on the list.
    """
    found = next((member for member in known.members if member.node == node), None)
    if found is None:
        raise Conflict(f"{node[:80]} is not on the list; see `salus federation list`")
    revoked = msgspec.structs.replace(found, status="revoked")
    return with_member(known, revoked, now=now, expires_at=expires_at)


def sign_request(member: Member, key: ECKey) -> str:
    """Return the wish to join, signed with the node's own key: proof that it holds it."""
    check_member(member)
    kid = next(jwk["kid"] for jwk in member.keys if jwk.get("x") == key.as_dict(private=False)["x"])
    return compact.sign({"member": msgspec.to_builtins(member)}, key, kid=kid, typ=REQUEST_TYPE)


def read_request(token: str) -> Member:
    """Return who wishes to join, if the request is signed with one of the keys that it names.

    Raises:
        NotAuthenticated: the signature is by another key.
        MalformedContent: the request names no proper member.
    """
    try:
        member = msgspec.convert(compact.unverified(token).claims.get("member"), Member)
    except msgspec.ValidationError as error:
        raise MalformedContent(f"the join request cannot be read: {error}") from error
    check_member(member)
    compact.verify(token, member.keys, algorithms=ALGORITHMS)
    return member


def check_member(member: Member) -> None:
    """Check an entry before it is signed or believed.

    Raises:
        MalformedContent: the address is not one that nodes may call, a name could steer a terminal, or a key
            is not a public ES384 key.
    """
    if not is_callable_address(member.base_url):
        raise MalformedContent(
            f"{member.node[:80]}: the address must be https, or http on loopback, without a query"
        )
    if not member.node or len(member.node) > 64 or not member.keys or len(member.keys) > KEYS_MAX:
        raise MalformedContent(f"a member needs an id of 1 to 64 characters and 1 to {KEYS_MAX} keys")
    if not is_fhir_id(member.node) or not is_printable(member.country) or not is_printable(member.name):
        raise MalformedContent(
            f"{member.node[:80]!a}: a member's id has letters, digits, - and . only; its name no control mark"
        )
    for key in member.keys:
        if key.get("crv") != "P-384" or "d" in key or not key.get("kid"):
            raise MalformedContent(f"{member.node}: keys must be public P-384 keys with a kid")
    if member.valid_until.tzinfo is None:
        raise MalformedContent(f"{member.node}: valid_until needs a time zone")


def is_printable(text: str) -> bool:
    """Return whether the text has no control characters and nothing that turns the direction of writing."""
    return not any(category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in text)


def key_id(key: Jwk) -> str:
    """Return the key's RFC 7638 thumbprint, used as its kid."""
    return ECKey.import_key({name: key[name] for name in ("kty", "crv", "x", "y")}).thumbprint()


def named(keys: Iterable[Jwk]) -> list[dict[str, Any]]:
    """Return public keys of the anchor, each with its thumbprint as its kid.

    Raises:
        MalformedContent: one is no public P-384 key.
    """
    try:
        return [
            {name: key[name] for name in ("kty", "crv", "x", "y")}
            | {"kid": key_id(key), "alg": "ES384"}
            | ({"root": True} if key.get("root") is True else {})
            for key in keys
        ]
    except (JoseError, KeyError, ValueError) as error:
        raise MalformedContent("the anchor's key is not a public P-384 key (JWK)") from error


def _verified(token: str, keys: Iterable[Jwk], typ: str, size_max: int) -> Mapping[str, Any]:
    signed = compact.verify(token, named(keys), algorithms=ALGORITHMS, size_max=size_max)
    if signed.header.get("typ") != typ:
        raise NotAuthenticated(f"the token must have typ {typ}")
    return signed.claims
