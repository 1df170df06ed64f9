"""Access tokens: JWT signed ES256 by this node for itself (RFC 9068 profile).

The algorithm and the type `at+jwt` are pinned: an id token, a refresh token or one signed otherwise is none.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from salus.core.access import Assurance, Caller, Purpose, Role
from salus.core.errors import NotAuthenticated
from salus.core.identifiers import new_id

_ALGORITHM, _TYPE = "ES256", "at+jwt"
_LENGTH_MAX = 8_192


class TokenTerms(msgspec.Struct, frozen=True):
    """What a token of this node must say.

    Args:
        issuer: the node's own address; also the audience, since a token opens nobody else's door.
        seconds: life of a token.
        skew_seconds: tolerated difference of clocks.
    """

    issuer: str
    seconds: int
    skew_seconds: int


class AccessToken(msgspec.Struct, frozen=True):
    """A verified token.

    Args:
        caller: whom it speaks for.
        expires_at: until when.
        client: the id of the client it was issued to, "" for a login at the node itself.
        key: thumbprint of the key that whoever uses it must prove to hold (RFC 9449), "" for none.
        ends_with: what it ends with besides: a person's consent, an app's session (`store.revocations`).
    """

    caller: Caller
    expires_at: datetime
    client: str = ""
    key: str = ""
    ends_with: tuple[str, ...] = ()


class _Confirmation(msgspec.Struct, frozen=True):
    jkt: str


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str
    sub: str
    exp: int
    nbf: int
    jti: str
    role: Role
    name: str
    organisation: str
    purpose: Purpose
    patient: str | None = None
    scope: str = ""
    node: str | None = None
    client_id: str = ""
    assurance: Assurance | None = None
    cnf: _Confirmation | None = None
    app: str = ""
    ends: tuple[str, ...] = ()
    cut_off: bool = False
    organisation_id: str = ""


def issue(
    key: ECKey,
    caller: Caller,
    terms: TokenTerms,
    *,
    now: datetime,
    client: str = "",
    holder: str = "",
    ends_with: tuple[str, ...] = (),
) -> str:
    """Return a fresh access token for the caller, whose `issuer` and `token_id` are filled in here.

    Args:
        key: the node's token key.
        caller: for whom.
        terms: what it says besides.
        now: the present.
        client: the id of the client it is issued to, "" for a login at the node itself.
        holder: thumbprint of the key that it is bound to (RFC 9449), "" for a bearer token.
        ends_with: as `AccessToken` has it.
    """
    claims: dict[str, Any] = {  # Any: JWT claims
        "iss": terms.issuer,
        "aud": terms.issuer,
        "sub": caller.subject,
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=terms.seconds)).timestamp()),
        "jti": new_id(),
        "role": caller.role.value,
        "name": caller.name,
        "organisation": caller.organisation,
        "purpose": caller.purpose.value,
        "patient": caller.patient,
        "scope": " ".join(caller.scopes),
        "node": caller.node,
        "client_id": client,
        "assurance": caller.assurance.value if caller.assurance else None,
        "cnf": {"jkt": holder} if holder else None,
        "app": caller.app,
        "ends": ends_with or None,
        "cut_off": caller.cut_off or None,
        "organisation_id": caller.organisation_id,
    }
    present = {name: value for name, value in claims.items() if value not in (None, "")}
    present |= {"name": caller.name, "organisation": caller.organisation}
    header = {"alg": _ALGORITHM, "typ": _TYPE, "kid": key.kid}
    return jwt.encode(header, present, key, algorithms=[_ALGORITHM])


def issue_like(
    held: AccessToken, key: ECKey, caller: Caller, terms: TokenTerms, *, now: datetime
) -> tuple[str, int]:
    """Return an access token, as `issue` does, and its seconds; it is given for `held` and ends with it."""
    left = max(0, int((held.expires_at - now).total_seconds()))
    within = msgspec.structs.replace(terms, seconds=min(terms.seconds, left))
    ends_with = (*held.ends_with, held.caller.token_id)
    token = issue(key, caller, within, now=now, client=held.client, holder=held.key, ends_with=ends_with)
    return token, within.seconds


def verify(key: ECKey, token: str, terms: TokenTerms, *, now: datetime) -> AccessToken:
    """Return what the token says, once everything about it holds.

    Raises:
        NotAuthenticated: whatever is wrong; the message says which rule, and nothing of the token.
    """
    if len(token) > _LENGTH_MAX:
        raise NotAuthenticated("The access token is too long.")
    try:
        decoded = jwt.decode(token, key, algorithms=[_ALGORITHM])
    except (JoseError, ValueError) as error:
        raise NotAuthenticated("The access token is not one of this node.") from error
    if decoded.header.get("typ") != _TYPE or decoded.header.get("kid") != key.kid:
        raise NotAuthenticated("The token is no access token of this node.")
    try:
        claims = msgspec.convert(decoded.claims, type=_Claims)
    except msgspec.ValidationError as error:
        raise NotAuthenticated("The access token lacks what this node needs; get a new one.") from error
    return _checked(claims, terms, now)


def _checked(claims: _Claims, terms: TokenTerms, now: datetime) -> AccessToken:
    if claims.iss != terms.issuer or claims.aud != terms.issuer:
        raise NotAuthenticated("The access token is for another node.")
    seconds = now.timestamp()
    if seconds >= claims.exp:
        raise NotAuthenticated("The access token has expired; get a new one.")
    if seconds + terms.skew_seconds < claims.nbf:
        raise NotAuthenticated("The access token is not valid yet; check the clocks.")
    caller = Caller(
        subject=claims.sub,
        name=claims.name,
        role=claims.role,
        organisation=claims.organisation,
        issuer=claims.iss,
        purpose=claims.purpose,
        patient=claims.patient,
        scopes=tuple(claims.scope.split()),
        node=claims.node,
        token_id=claims.jti,
        assurance=claims.assurance,
        app=claims.app,
        cut_off=claims.cut_off,
        organisation_id=claims.organisation_id,
    )
    holder = claims.cnf.jkt if claims.cnf else ""
    expires_at = datetime.fromtimestamp(claims.exp, tz=now.tzinfo)
    return AccessToken(caller, expires_at, claims.client_id, holder, claims.ends)
