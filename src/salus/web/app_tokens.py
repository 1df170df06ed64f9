"""The token endpoint for apps (SMART App Launch 2.2): codes and refresh tokens for access tokens, id tokens.

A public app says who it is by its client_id and proves by PKCE that the code was sent to it; a confidential
one signs an assertion besides. A refresh token is good once: the answer holds the next one.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from starlette.responses import JSONResponse, Response

from salus.core.access import Caller, Role
from salus.core.errors import OAuthRefused
from salus.standards.jose import compact
from salus.standards.jose.encoding import encode
from salus.standards.smart.launch import keeps_challenge
from salus.store import apps
from salus.store.apps import Reused, Session, Taken
from salus.store.federation import Client, find_client
from salus.store.revocations import of_app_session, of_consent
from salus.store.treatment import resource_of
from salus.trust.scopes import given
from salus.trust.tokens import issue
from salus.web.oauth import NOT_KEPT
from salus.web.services import Services

CODE, REFRESH = "authorization_code", "refresh_token"
GRANTS = (CODE, REFRESH)
UNDERWAY_SECONDS = 2
"""A token may be in the making while what it comes of is ended."""
PROFESSIONALS = frozenset({Role.CLINICIAN, Role.PHARMACIST, Role.EMERGENCY})
"""Who has a resource in the directory."""
ONLINE = timedelta(minutes=30)
OFFLINE = timedelta(days=90)
LASTING_MAX = timedelta(days=365)
"""How long a refresh token waits for its use, and how long an app goes on before it asks the person anew."""


async def public_app(services: Services, client: str) -> Client:
    """Return the public app of this id.

    Raises:
        OAuthRefused: there is none; a confidential one signs an assertion.
    """
    app = await find_client(services.database, client) if client else None
    if app is None or not app.is_app:
        raise OAuthRefused("invalid_client", "there is no such app here; send its client_id")
    if app.keys:
        raise OAuthRefused("invalid_client", "this app signs a client_assertion (private_key_jwt)")
    return app


async def confidential_app(services: Services, client: str) -> Client:
    """Return the app that signed an assertion.

    Raises:
        OAuthRefused: it is registered as something else.
    """
    app = await find_client(services.database, client)
    if app is None or not app.is_app:
        raise OAuthRefused("unauthorized_client", "this client is registered for client_credentials only")
    return app


async def exchange(services: Services, app: Client, fields: dict[str, str], *, holder: str = "") -> Response:
    """Return the tokens for a code or a refresh token.

    Args:
        services: the node.
        app: who asks, authenticated.
        fields: of the form.
        holder: thumbprint of the key that the access token is bound to (RFC 9449), "" for none.

    Raises:
        OAuthRefused: it is not good, not this app's, or asks for more than was given.
    """
    now = services.clock()
    if fields["grant_type"] == CODE:
        taken = await _take(services, "code", fields.get("code", ""), now)
        if not _is_sent_to(taken, app, fields):
            await _end(services, taken.session, now)
            raise OAuthRefused("invalid_grant", "the code was not given to this app, address and verifier")
        session, scopes = taken.session, taken.session.caller.scopes
        lasting = _lasting(services, session, now)
        id_token = await identity(services, app, session, now) if "openid" in scopes else ""
    else:
        secret = fields.get("refresh_token", "")
        scopes = await _narrowed(services, secret, fields.get("scope", ""), now)
        taken = await _take(services, "refresh", secret, now)
        if taken.session.client != app.id:
            await _end(services, taken.session, now)
            raise OAuthRefused("invalid_grant", "the refresh token was not given to this app")
        session, lasting, id_token = taken.session, True, ""
    if session.login and session.login in services.doorkeeper.revoked:
        await _end(services, session, now)
        raise OAuthRefused("invalid_grant", "the person has logged out; ask them anew")
    scopes = tuple(scope for scope in scopes if given(scope, app.scopes))
    refresh = secrets.token_urlsafe(32) if lasting else ""
    await _keep(services, session, refresh, now)
    return _answer(services, app, session, scopes, refresh=refresh, id_token=id_token, holder=holder)


def _is_sent_to(taken: Taken, app: Client, fields: dict[str, str]) -> bool:
    return (
        taken.session.client == app.id
        and taken.redirect == fields.get("redirect_uri", "")
        and keeps_challenge(fields.get("code_verifier", ""), taken.challenge)
    )


async def _take(services: Services, kind: apps.Kind, secret: str, now: datetime) -> Taken:
    until = last_expiry(services)
    taken = await apps.take(services.database, kind, secret, now=now, until=until)
    if isinstance(taken, Reused):
        services.doorkeeper.revoked[of_app_session(taken.session)] = until  # elsewhere by notification
    if not isinstance(taken, Taken):
        raise OAuthRefused(
            "invalid_grant", f"the {kind} is unknown, used, too old, or what it came of has ended"
        )
    return taken


async def _narrowed(services: Services, secret: str, scope: str, now: datetime) -> tuple[str, ...]:
    """Return the scopes of a refresh: those of the session, or fewer (RFC 6749, 6)."""
    session = await apps.session_of(services.database, secret, now=now)
    if session is None:  # `_take` says so, and ends what was used twice
        return ()
    held = session.caller.scopes
    for asked in scope.split():
        if given(asked, held) != (asked,):
            raise OAuthRefused("invalid_scope", f"{asked[:80]} was not given before")
    return tuple(scope.split()) or held


def _lasting(services: Services, session: Session, now: datetime) -> bool:
    return not {"offline_access", "online_access"}.isdisjoint(session.caller.scopes)


async def _keep(services: Services, session: Session, refresh: str, now: datetime) -> None:
    """Keep the next refresh token, and the session as long as its last token may last."""
    is_offline = "offline_access" in session.caller.scopes
    longest = session.began_at + (LASTING_MAX if is_offline else ONLINE)
    expires_at = min(longest, now + (OFFLINE if is_offline else ONLINE))
    lasts = max(longest if refresh else now, last_expiry(services))
    kept = msgspec.structs.replace(session, expires_at=lasts)
    await apps.keep_refresh(services.database, kept, refresh, now=now, expires_at=expires_at)


async def _end(services: Services, session: Session, now: datetime) -> None:
    until = last_expiry(services)
    services.doorkeeper.revoked[of_app_session(session.id)] = until
    await apps.end_session(services.database, session.id, now=now, until=until)


def last_expiry(services: Services) -> datetime:
    """Return when an access token expires that is being issued at this moment."""
    return services.clock() + timedelta(seconds=services.terms.seconds + UNDERWAY_SECONDS)


def _answer(
    services: Services,
    app: Client,
    session: Session,
    scopes: Sequence[str],
    *,
    refresh: str,
    id_token: str,
    holder: str,
) -> Response:
    caller = msgspec.structs.replace(session.caller, scopes=tuple(scopes))
    token = issue(
        services.keys.token,
        caller,
        services.terms,
        now=services.clock(),
        client=app.id,
        holder=holder,
        ends_with=(of_consent(session.consent), of_app_session(session.id)),
    )
    answer: dict[str, Any] = {  # Any: members of a token response
        "access_token": token,
        "token_type": "DPoP" if holder else "Bearer",
        "expires_in": services.terms.seconds,
        "scope": " ".join(scopes),
        "patient": session.context,
        "refresh_token": refresh,
        "id_token": id_token,
    }
    if "launch" in scopes:
        answer["need_patient_banner"] = True
    return JSONResponse({name: value for name, value in answer.items() if value}, headers=NOT_KEPT)


async def identity(services: Services, app: Client, session: Session, now: datetime) -> str:
    """Return the id token (OpenID Connect Core 1.0, 2), which says who logged in."""
    caller = session.caller
    claims: dict[str, Any] = {  # Any: JWT claims
        "iss": services.base_url,
        "sub": pairwise(services, app.id, caller),
        "aud": app.id,
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + services.terms.seconds,
        "nonce": session.nonce,
    }
    if "fhirUser" in caller.scopes:
        own = await fhir_user(services, caller)
        claims |= {"fhirUser": own, "profile": own}
    key = services.keys.federation
    return compact.sign({name: value for name, value in claims.items() if value}, key, kid=str(key.kid))


async def fhir_user(services: Services, caller: Caller) -> str:
    """Return the address of the person's own resource, "" where they have none here.

    A citizen's is their Patient, a professional's the Practitioner, or the role, of the node's directory.
    """
    if caller.role is Role.CITIZEN:
        return f"{services.fhir_base}/Patient/{caller.patient}"
    if caller.role not in PROFESSIONALS:
        return ""
    found = await resource_of(services.database, services.keys.search, caller.subject)
    return f"{services.fhir_base}/{found}" if found else ""


def pairwise(services: Services, client: str, caller: Caller) -> str:
    """Return what stands for the person at this app, and at no other (OpenID Connect Core 1.0, 8.1)."""
    named = msgspec.json.encode(["salus apps", client, caller.role.value, caller.subject])
    return encode(hmac.digest(services.keys.search, named, "sha256")[:18])


async def about_person(services: Services, caller: Caller) -> dict[str, str]:
    """Return what an introspection tells of who uses an app, as its id token does."""
    told = {"sub": pairwise(services, caller.app, caller)}
    own = await fhir_user(services, caller) if "fhirUser" in caller.scopes else ""
    return told | ({"fhirUser": own} if own else {})


async def give_back(services: Services, secret: str, client: str) -> None:
    """End the session of a refresh token of this client; with its access tokens (RFC 7009, 2.1)."""
    session = await apps.session_of(services.database, secret, now=services.clock()) if secret else None
    if session is not None and session.client == client:
        await _end(services, session, services.clock())
