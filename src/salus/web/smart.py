"""SMART App Launch 2.2: discovery, the token endpoint, revocation, introspection; apps in `app_tokens`.

Errors of the token endpoint are RFC 6749's; those of everything else are OperationOutcomes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Caller, Purpose
from salus.core.errors import (
    AccessRefused,
    InvalidSearch,
    MalformedContent,
    NotAuthenticated,
    NotFound,
    OAuthRefused,
    ProofRefused,
    SalusError,
    Throttled,
)
from salus.federation.clients import (
    LOOKUP,
    Applicant,
    authenticate_client,
    caller_for,
    claimed_client,
    refusal,
)
from salus.federation.witnessing import require_witnessed
from salus.standards.smart.asker import Asker
from salus.standards.smart.assertion import ASSERTION_TYPE
from salus.store.federation import Client
from salus.store.revocations import revoke
from salus.trust.care import Known
from salus.trust.keys import public_jwks
from salus.trust.presence import weigh
from salus.trust.refusals import ASSERTION
from salus.trust.tokens import AccessToken, TokenTerms, issue, verify
from salus.trust.treatment import Statement, state_treatment
from salus.web import app_tokens, pushed
from salus.web.addresses import find, methods_of
from salus.web.oauth import NOT_KEPT, oauth_error, read_form
from salus.web.proof import prove
from salus.web.rights.choices import weigher_of
from salus.web.services import Face, Receive, Scope, Send, Services
from salus.web.smart_discovery import configuration

PUBLIC = {"cache-control": "max-age=3600", "vary": "origin"}


def face(services: Services) -> Face:
    """Return the door of OAuth and of SMART discovery."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        handler, _ = find(ADDRESSES, scope["method"], scope["path"])
        answer = await handler(services, Request(scope, receive))
        await answer(scope, receive, send)

    return Face(tuple(ADDRESSES), application, methods_of(ADDRESSES), tuple(ADDRESSES))


async def _configuration(services: Services, request: Request) -> Response:
    return JSONResponse(configuration(services.base_url), headers=PUBLIC)


async def _jwks(services: Services, request: Request) -> Response:
    return JSONResponse(public_jwks(services.keys), headers=PUBLIC)


async def _token(services: Services, request: Request) -> Response:
    try:
        fields = await read_form(request)
    except MalformedContent as error:
        return oauth_error("invalid_request", error.message, 400)
    if fields.get("grant_type") in app_tokens.GRANTS:
        return await _token_of_app(services, request, fields)
    applicant = await _authenticated(services, request, fields)
    if isinstance(applicant, Response):
        return applicant
    if fields.get("grant_type") != "client_credentials":
        supported = ", ".join(("client_credentials", *app_tokens.GRANTS))
        return oauth_error("unsupported_grant_type", f"grant_type must be one of {supported}", 400)
    try:
        caller = caller_for(
            applicant, fields.get("scope", ""), issuer=services.terms.issuer, law=services.gatehouse.law
        )
    except SalusError as error:
        await _write_down(services, request, applicant)
        return oauth_error("invalid_scope", error.message, 400)
    try:
        holder = await _holder(services, request, applicant)
    except ProofRefused as error:
        return oauth_error("invalid_dpop_proof", error.message, 400)
    if applicant.node is not None:
        try:
            await require_witnessed(services.witnesses, caller.purpose)
        except AccessRefused as error:
            await _write_down(services, request, applicant)
            return oauth_error("temporarily_unavailable", error.message, 503)
    unproven = await _weighed(services, request, caller, applicant)
    if unproven is not None:
        return unproven
    now = services.clock()
    terms = terms_within(services.terms, applicant, now)
    token = issue(
        services.keys.token,
        caller,
        terms,
        now=now,
        client=applicant.client,
        holder=holder,
    )
    granted = "system/Patient.s" if caller.scopes == (LOOKUP,) else " ".join(caller.scopes)
    answer = {
        "access_token": token,
        "token_type": "DPoP" if holder else "bearer",
        "expires_in": terms.seconds,
        "scope": granted,
    }
    if caller.cut_off:
        answer["trust"] = "cut-off"
    return JSONResponse(answer, headers={"cache-control": "no-store", "pragma": "no-cache"})


def terms_within(terms: TokenTerms, applicant: Applicant, now: datetime) -> TokenTerms:
    """Return the terms of a token that does not outlive the trust chain of the member it is given to."""
    if applicant.vouched_until is None or applicant.cut_off:
        return terms
    left = int(applicant.vouched_until - now.timestamp())
    return msgspec.structs.replace(terms, seconds=max(1, min(terms.seconds, left)))


async def _weighed(
    services: Services, request: Request, caller: Caller, applicant: Applicant
) -> Response | None:
    """Weigh whether the patient is with the professional; return the answer to who gets no token for it."""
    asker = applicant.assertion.asker
    if asker is None:
        return None
    try:
        await weigh(weigher_of(services), caller, asker)
        await _state(services, caller, asker)
    except Throttled as error:
        await _write_down(services, request, applicant)
        return oauth_error("temporarily_unavailable", error.message, error.status)
    except (AccessRefused, InvalidSearch) as error:
        await _write_down(services, request, applicant)
        return oauth_error("invalid_request", error.message, 400)
    return None


async def _state(services: Services, caller: Caller, asker: Asker) -> None:
    """Keep what a local system states of a professional and the patient whom they treat."""
    stated = Statement(asker.reason, asker.presence_code, asker.document)
    if caller.node is not None or not caller.patient or stated == Statement():
        return
    if caller.purpose is not Purpose.TREATMENT or services.care.known is Known.ORGANISATION:
        return
    with suppress(NotFound):  # who is not here is absent under the token
        await state_treatment(weigher_of(services), services.care, caller, caller.patient, stated)


async def _holder(services: Services, request: Request, applicant: Applicant) -> str:
    """Return the thumbprint of the key that the token is bound to, "" for a bearer token (RFC 9449, 5).

    Raises:
        ProofRefused: the proof is wrong, or a member node sends none: its tokens are bound to a key.
    """
    if "dpop" not in request.headers:
        if applicant.node is not None:
            raise ProofRefused("a member node's tokens are bound to a key: send a proof in the header DPoP")
        return ""
    return (await prove(services, request.scope)).key


async def _token_of_app(services: Services, request: Request, fields: dict[str, str]) -> Response:
    app = await _app(services, request, fields)
    if isinstance(app, Response):
        return app
    try:
        holder = (await prove(services, request.scope)).key if "dpop" in request.headers else ""
        return await app_tokens.exchange(services, app, fields, holder=holder)
    except ProofRefused as error:
        return oauth_error("invalid_dpop_proof", error.message, 400)
    except OAuthRefused as error:
        return oauth_error(error.error, error.message, 400)


async def _push(services: Services, request: Request) -> Response:
    """RFC 9126: an app sends its request ahead of the person."""
    try:
        fields = await read_form(request)
    except MalformedContent as error:
        return oauth_error("invalid_request", error.message, 400)
    app = await _app(services, request, fields)
    if isinstance(app, Response):
        return app
    try:
        return await pushed.push(services, app, fields)
    except OAuthRefused as error:
        return oauth_error(error.error, error.message, 400)


async def _app(services: Services, request: Request, fields: dict[str, str]) -> Client | Response:
    """Return the app that sent the form: a confidential one signs an assertion, a public one says its id."""
    if "client_assertion" in fields:
        applicant = await _authenticated(services, request, fields)
        if isinstance(applicant, Response):
            return applicant
        try:
            return await app_tokens.confidential_app(services, applicant.client)
        except OAuthRefused as error:
            return oauth_error(error.error, error.message, 400)
    try:
        return await app_tokens.public_app(services, fields.get("client_id", ""))
    except OAuthRefused as error:
        services.doorkeeper.refusals.note(ASSERTION)
        return oauth_error(error.error, error.message, 401)


async def _revoke(services: Services, request: Request) -> Response:
    """RFC 7009: a client gives back a token of its own; what is no token of this node needs no revoking."""
    try:
        fields = await read_form(request)
    except MalformedContent as error:
        return oauth_error("invalid_request", error.message, 400)
    if "client_assertion" in fields:
        applicant = await _authenticated(services, request, fields)
        client = applicant if isinstance(applicant, Response) else applicant.client
    else:
        app = await _app(services, request, fields)
        client = app if isinstance(app, Response) else app.id
    if isinstance(client, Response):
        return client
    found = _own_token(services, fields, client)
    if found is not None:
        await revoke(services.database, found.caller.token_id, found.expires_at)
    else:
        await app_tokens.give_back(services, fields.get("token", ""), client)
    return Response(status_code=200)


async def _introspect(services: Services, request: Request) -> Response:
    """RFC 7662: a client that can prove who it is asks whether a token of its own is still good.

    A resource server that was registered for it asks of every token whose audience this node is.
    """
    try:
        fields = await read_form(request)
    except MalformedContent as error:
        return oauth_error("invalid_request", error.message, 400)
    applicant = await _authenticated(services, request, fields)
    if isinstance(applicant, Response):
        return applicant
    found = (
        _good_token(services, fields)
        if applicant.introspects
        else _own_token(services, fields, applicant.client)
    )
    if found is None or services.doorkeeper.ended(found):
        return JSONResponse({"active": False}, headers=NOT_KEPT)
    caller = found.caller
    described = {
        "active": True,
        "scope": " ".join(caller.scopes),
        "sub": caller.subject,
        "client_id": found.client,
        "iss": caller.issuer,
        "aud": services.terms.issuer,
        "token_type": "DPoP" if found.key else "Bearer",
    }
    described["cnf"] = {"jkt": found.key} if found.key else None
    described |= {"exp": int(found.expires_at.timestamp()), "patient": caller.patient, "jti": caller.token_id}
    if caller.app:
        described |= await app_tokens.about_person(services, caller)
    told = {name: value for name, value in described.items() if value is not None}
    return JSONResponse(told, headers=NOT_KEPT)


def _own_token(services: Services, fields: dict[str, str], client: str) -> AccessToken | None:
    """Return the token of the form, if it is a good one that was issued to the authenticated client."""
    found = _good_token(services, fields)
    return found if found is not None and found.client == client else None


def _good_token(services: Services, fields: dict[str, str]) -> AccessToken | None:
    try:
        return verify(services.keys.token, fields.get("token", ""), services.terms, now=services.clock())
    except NotAuthenticated:
        return None


async def _authenticated(
    services: Services, request: Request, fields: dict[str, str]
) -> Applicant | Response:
    """Return who sent the form by what they signed, or the answer to one who cannot say."""
    refusals, now = services.doorkeeper.refusals, services.clock()
    address = request.client.host if request.client else ""
    try:
        if fields.get("client_assertion_type") != ASSERTION_TYPE or not fields.get("client_assertion"):
            raise NotAuthenticated(f"send client_assertion with client_assertion_type {ASSERTION_TYPE}")
        client = claimed_client(fields["client_assertion"])
        current = services.membership.current
        wait = refusals.failures.seconds_left(address, client, now)
        if wait and not (current is not None and current.knows(client)):
            answer = oauth_error("temporarily_unavailable", "too many failures from your address; wait", 429)
            answer.headers["retry-after"] = str(wait)
            return answer
        applicant = await _applicant(services, request, fields)
    except MalformedContent as error:
        return oauth_error("invalid_request", error.message, 400)
    except (NotAuthenticated, AccessRefused) as error:
        refusals.note(ASSERTION)
        refusals.failures.note(address, now)
        return oauth_error("invalid_client", error.message, 401)
    refusals.failures.welcome(applicant.client)
    return applicant


async def _applicant(services: Services, request: Request, fields: dict[str, str]) -> Applicant:
    applicant = await authenticate_client(
        fields["client_assertion"],
        endpoint=f"{services.base_url}{request.url.path}",
        chains=services.chains,
        database=services.database,
        now=services.clock(),
        limits=services.limits,
    )
    if fields.get("client_id", applicant.client) != applicant.client:
        raise NotAuthenticated("client_id is not the one that signed the assertion")
    return applicant


async def _write_down(services: Services, request: Request, applicant: Applicant) -> None:
    asker = applicant.assertion.asker
    if asker is not None:
        leaf = refusal(
            asker,
            applicant,
            request=str(request.scope.get("request_id", "")),
            now=services.clock(),
            rule="token-refused",
        )
        await services.journal.write([leaf])


Handler = Callable[[Services, Request], Awaitable[Response]]
ADDRESSES: Mapping[str, Mapping[str, Handler]] = {
    "/.well-known/smart-configuration": {"GET": _configuration},
    "/fhir/.well-known/smart-configuration": {"GET": _configuration},
    "/.well-known/jwks.json": {"GET": _jwks},
    "/oauth/token": {"POST": _token},
    "/oauth/par": {"POST": _push},
    "/oauth/revoke": {"POST": _revoke},
    "/oauth/introspect": {"POST": _introspect},
}
