"""SMART Backend Services (SMART App Launch 2.2): discovery, the token endpoint, revocation, introspection.

Errors of the token endpoint are RFC 6749's; those of everything else are OperationOutcomes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Caller
from salus.core.errors import (
    AccessRefused,
    InvalidSearch,
    MalformedContent,
    NotAuthenticated,
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
from salus.standards.smart import dpop
from salus.standards.smart.assertion import ASSERTION_TYPE
from salus.store.revocations import revoke
from salus.trust.keys import public_jwks
from salus.trust.presence import weigh
from salus.trust.refusals import ASSERTION
from salus.trust.tokens import AccessToken, issue, verify
from salus.web.addresses import find, methods_of
from salus.web.proof import prove
from salus.web.rights import weigher_of
from salus.web.services import Face, Receive, Scope, Send, Services

FORM = "application/x-www-form-urlencoded"
FORM_BYTES_MAX = 32 * 1024
FIELDS_MAX = 20
CAPABILITIES = ["client-confidential-asymmetric", "permission-v1", "permission-v2"]


class OAuthError(msgspec.Struct, frozen=True):
    """An error of RFC 6749, 5.2."""

    error: str
    error_description: str


def face(services: Services) -> Face:
    """Return the door of OAuth and of SMART discovery."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        handler, _ = find(ADDRESSES, scope["method"], scope["path"])
        answer = await handler(services, Request(scope, receive))
        await answer(scope, receive, send)

    return Face(tuple(ADDRESSES), application, methods_of(ADDRESSES), tuple(ADDRESSES))


def configuration(base_url: str) -> dict[str, Any]:
    """Return what the node's SMART configuration says; F's CapabilityStatement repeats the addresses."""
    return {
        "token_endpoint": f"{base_url}/oauth/token",
        "revocation_endpoint": f"{base_url}/oauth/revoke",
        "introspection_endpoint": f"{base_url}/oauth/introspect",
        "jwks_uri": f"{base_url}/.well-known/jwks.json",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
        "dpop_signing_alg_values_supported": sorted(dpop.ALGORITHMS),
        "scopes_supported": [
            "system/*.rs",
            "system/*.read",
            "system/MedicationDispense.cru",
            "system/DocumentReference.crs",
        ],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": CAPABILITIES,
    }


async def _configuration(services: Services, request: Request) -> Response:
    return JSONResponse(configuration(services.base_url), headers={"cache-control": "max-age=3600"})


async def _jwks(services: Services, request: Request) -> Response:
    return JSONResponse(public_jwks(services.keys), headers={"cache-control": "max-age=3600"})


async def _token(services: Services, request: Request) -> Response:
    authenticated = await _authenticated(services, request)
    if isinstance(authenticated, Response):
        return authenticated
    fields, applicant = authenticated
    if fields.get("grant_type") != "client_credentials":
        return _error("unsupported_grant_type", "grant_type must be client_credentials", 400)
    try:
        caller = caller_for(applicant, fields.get("scope", ""), issuer=services.terms.issuer)
    except SalusError as error:
        await _write_down(services, request, applicant)
        return _error("invalid_scope", error.message, 400)
    try:
        holder = await _holder(services, request, applicant)
    except ProofRefused as error:
        return _error("invalid_dpop_proof", error.message, 400)
    unproven = await _weighed(services, request, caller, applicant)
    if unproven is not None:
        return unproven
    token = issue(
        services.keys.token,
        caller,
        services.terms,
        now=services.clock(),
        client=applicant.client,
        holder=holder,
    )
    granted = "system/Patient.s" if caller.scopes == (LOOKUP,) else " ".join(caller.scopes)
    answer = {
        "access_token": token,
        "token_type": "DPoP" if holder else "bearer",
        "expires_in": services.terms.seconds,
        "scope": granted,
    }
    return JSONResponse(answer, headers={"cache-control": "no-store", "pragma": "no-cache"})


async def _weighed(
    services: Services, request: Request, caller: Caller, applicant: Applicant
) -> Response | None:
    """Weigh whether the patient is with the professional; return the answer to who gets no token for it."""
    asker = applicant.assertion.asker
    if asker is None:
        return None
    try:
        await weigh(weigher_of(services), caller, asker)
    except Throttled as error:
        await _write_down(services, request, applicant)
        return _error("temporarily_unavailable", error.message, error.status)
    except (AccessRefused, InvalidSearch) as error:
        await _write_down(services, request, applicant)
        return _error("invalid_request", error.message, 400)
    return None


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


async def _revoke(services: Services, request: Request) -> Response:
    """RFC 7009: a client gives back a token of its own; what is no token of this node needs no revoking."""
    found = await _own_token(services, request)
    if isinstance(found, Response):
        return found
    if found is not None:
        await revoke(services.database, found.caller.token_id, found.expires_at)
    return Response(status_code=200)


async def _introspect(services: Services, request: Request) -> Response:
    """RFC 7662: a client asks whether a token of its own is still good."""
    found = await _own_token(services, request)
    if isinstance(found, Response):
        return found
    if found is None or services.doorkeeper.ended(found):
        return JSONResponse({"active": False})
    caller = found.caller
    described = {
        "active": True,
        "scope": " ".join(caller.scopes),
        "sub": caller.subject,
        "client_id": found.client,
        "iss": caller.issuer,
    }
    described["cnf"] = {"jkt": found.key} if found.key else None
    described |= {"exp": int(found.expires_at.timestamp()), "patient": caller.patient, "jti": caller.token_id}
    return JSONResponse({name: value for name, value in described.items() if value is not None})


async def _own_token(services: Services, request: Request) -> AccessToken | Response | None:
    """Return the token of the form, if it is a good one that was issued to the authenticated client."""
    authenticated = await _authenticated(services, request)
    if isinstance(authenticated, Response):
        return authenticated
    fields, applicant = authenticated
    try:
        found = verify(services.keys.token, fields.get("token", ""), services.terms, now=services.clock())
    except NotAuthenticated:
        return None
    return found if found.client == applicant.client else None


async def _authenticated(services: Services, request: Request) -> tuple[dict[str, str], Applicant] | Response:
    """Return the form and who sent it, or the answer to one who cannot say."""
    refusals, now = services.doorkeeper.refusals, services.clock()
    address = request.client.host if request.client else ""
    try:
        fields = await _form(request)
        if fields.get("client_assertion_type") != ASSERTION_TYPE or not fields.get("client_assertion"):
            raise NotAuthenticated(f"send client_assertion with client_assertion_type {ASSERTION_TYPE}")
        client = claimed_client(fields["client_assertion"])
        current = services.membership.current
        wait = refusals.failures.seconds_left(address, client, now)
        if wait and not (current is not None and current.knows(client)):
            answer = _error("temporarily_unavailable", "too many failures from your address; wait", 429)
            answer.headers["retry-after"] = str(wait)
            return answer
        applicant = await _applicant(services, request, fields)
    except MalformedContent as error:
        return _error("invalid_request", error.message, 400)
    except (NotAuthenticated, AccessRefused) as error:
        refusals.note(ASSERTION)
        refusals.failures.note(address, now)
        return _error("invalid_client", error.message, 401)
    refusals.failures.welcome(applicant.client)
    return fields, applicant


async def _applicant(services: Services, request: Request, fields: dict[str, str]) -> Applicant:
    applicant = await authenticate_client(
        fields["client_assertion"],
        endpoint=f"{services.base_url}{request.url.path}",
        membership=services.membership,
        database=services.database,
        now=services.clock(),
        limits=services.limits,
    )
    if fields.get("client_id", applicant.client) != applicant.client:
        raise NotAuthenticated("client_id is not the one that signed the assertion")
    return applicant


async def _form(request: Request) -> dict[str, str]:
    if request.url.query:
        raise MalformedContent("send the parameters in the body; a query may end up in a log")
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        raise MalformedContent(f"send a form ({FORM})")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES_MAX:
            raise MalformedContent(f"the form is longer than {FORM_BYTES_MAX} bytes")
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX, strict_parsing=True
        )
    except ValueError as error:
        raise MalformedContent("the form cannot be read") from error
    if len(dict(pairs)) != len(pairs):
        raise MalformedContent("a parameter is given twice")
    return dict(pairs)


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


def _error(error: str, description: str, status: int) -> Response:
    headers = {"cache-control": "no-store", "pragma": "no-cache"}
    return JSONResponse(msgspec.structs.asdict(OAuthError(error, description)), status, headers=headers)


Handler = Callable[[Services, Request], Awaitable[Response]]
ADDRESSES: Mapping[str, Mapping[str, Handler]] = {
    "/.well-known/smart-configuration": {"GET": _configuration},
    "/fhir/.well-known/smart-configuration": {"GET": _configuration},
    "/.well-known/jwks.json": {"GET": _jwks},
    "/oauth/token": {"POST": _token},
    "/oauth/revoke": {"POST": _revoke},
    "/oauth/introspect": {"POST": _introspect},
}
