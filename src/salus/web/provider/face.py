"""The embedded OpenID Connect provider of a demonstration: test persons log in without a secret.

It speaks the protocol in full (code flow, PKCE, private_key_jwt, RFC 9207), so that the node uses it as it
uses any other provider. It opens on a node whose settings say `demo = true`, and on no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, Router

from salus.core.access import Assurance, Role
from salus.core.errors import MalformedContent, NotAuthenticated, SettingsInvalid
from salus.trust.login.person import RANKS
from salus.web.portal.face import page_route
from salus.web.portal.personas import personas
from salus.web.portal.session import open_sessions
from salus.web.portal.visit import Visit, read_form
from salus.web.portal.words import LANGUAGES
from salus.web.provider.people import Unknown, claims_of
from salus.web.provider.terms import CLIENT_ID, ID, LEVEL, PREFIX, WORK, read_hint
from salus.web.provider.tokens import Asked, Issuer, open_issuer
from salus.web.provider.wallet_face import wallet_routes
from salus.web.services import Application, Face, Receive, Scope, Send, Services


def face(services: Services) -> Face:
    """Return the door of the embedded provider.

    Raises:
        SettingsInvalid: the node is no demonstration.
    """
    return Face((PREFIX,), application(services))


def application(services: Services) -> Application:
    """Return the provider as an ASGI application. Raises as `face` does."""
    if not services.demo:
        raise SettingsInvalid(
            "The embedded log-in provider lets anybody in as anybody: it starts only where the settings say "
            "demo = true. Configure a provider of your country instead (docs/login.md)."
        )
    sessions, issuer = open_sessions(services), open_issuer(services)
    router = Router(
        [
            Route(f"{PREFIX}/.well-known/openid-configuration", partial(_metadata, issuer)),
            Route(f"{PREFIX}/jwks", partial(_keys, issuer)),
            Route(f"{PREFIX}/token", partial(_token, issuer), methods=["POST"]),
            page_route(sessions, f"{PREFIX}/authorize", partial(_authorize, issuer), (), "GET", "POST"),
            *wallet_routes(services, sessions),
        ],
        redirect_slashes=False,
    )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await router(scope, receive, send)

    return answer


async def _metadata(issuer: Issuer, request: Request) -> Response:
    base = issuer.name
    return JSONResponse(
        {
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES384"],
            "acr_values_supported": [f"{LEVEL}{level.value}" for level in Assurance],
            "authorization_response_iss_parameter_supported": True,
        }
    )


async def _keys(issuer: Issuer, request: Request) -> Response:
    return JSONResponse({"keys": [issuer.public_key]})


async def _token(issuer: Issuer, request: Request) -> Response:
    headers = {"cache-control": "no-store"}
    try:
        answer = await issuer.redeem(await read_form(request))
    except MalformedContent as error:
        answer, status = {"error": "invalid_request", "error_description": error.message}, 400
    except NotAuthenticated as error:
        answer, status = {"error": "invalid_grant", "error_description": error.message}, 400
    else:
        status = 200
    return JSONResponse(answer, status, headers=headers)


async def _authorize(issuer: Issuer, visit: Visit) -> Response:
    """Log the expected test person in, or ask which one it is."""
    query = visit.form.get("request") or visit.request.url.query
    asked = read_request(query, visit.services)
    form, visit = visit.form, _as_asked(visit)
    if form:
        person = form.get("persona", ""), _level(form.get("assurance", "")), form.get("identifier", "")
    else:
        person = read_hint(asked.hint)
    persona, level, identifier = person
    if not persona or RANKS[level] < RANKS[asked.least]:
        return _choose(visit, query, asked)
    try:
        claims = await claims_of(visit.services, persona, level, identifier)
    except Unknown as error:
        problem = visit.say("login-several" if error.count else "login-none", n=error.count)
        return _choose(visit, query, asked, problem=problem, status=error.status)
    answer = {"code": issuer.code(asked, claims), "state": asked.state, "iss": issuer.name}
    return RedirectResponse(f"{asked.redirect_uri}?{urlencode(answer)}", 303)


def _as_asked(visit: Visit) -> Visit:
    """Return the visit in the language that is asked for (OpenID Connect Core 3.1.2.1 `ui_locales`)."""
    wanted = visit.request.query_params.get("ui_locales", "").split()
    known = next((each for each in wanted if each in LANGUAGES), "")
    if not known or visit.form:
        return visit
    return msgspec.structs.replace(visit, form={"language": known})


def read_request(query: str, services: Services) -> Asked:
    """Return an authorization request of this node.

    Raises:
        MalformedContent: it is not one that the node makes; nobody is sent anywhere.
    """
    found = dict(parse_qsl(query, keep_blank_values=True))
    wanted = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": f"{services.base_url}/login/back/{ID}",
        "code_challenge_method": "S256",
    }
    for name, value in wanted.items():
        if found.get(name) != value:
            raise MalformedContent(f"{name} must be {value}")
    if not all(found.get(name) for name in ("state", "nonce", "code_challenge")):
        raise MalformedContent("state, nonce and code_challenge must be given")
    return Asked(
        redirect_uri=found["redirect_uri"],
        state=found["state"],
        nonce=found["nonce"],
        challenge=found["code_challenge"],
        hint=found.get("login_hint", ""),
        least=_least(found),
    )


def _least(found: Mapping[str, str]) -> Assurance:
    """Return the lowest level that the request takes, and for a log-in without a choice the lowest of all."""
    asked = [_level(each.removeprefix(LEVEL)) for each in found.get("acr_values", "").split()]
    is_chosen = found.get("prompt") == "login"
    return min(asked, key=RANKS.__getitem__) if asked and is_chosen else Assurance.LOW


def _level(text: str) -> Assurance:
    return Assurance(text) if text in set(Assurance) else Assurance.HIGH


def _choose(visit: Visit, query: str, asked: Asked, *, problem: str = "", status: int = 200) -> Response:
    levels = [level for level in Assurance if RANKS[level] >= RANKS[asked.least]]
    people = personas(visit.services.country)
    identifier = visit.form.get("identifier", "") or read_hint(asked.hint)[2]
    return visit.show(
        "provider.html",
        visit.say("provider-title"),
        status=status,
        request=query,
        problem=problem,
        identifier=identifier,
        people=[{"key": key, "name": people[key].name} for key in WORK if key in people],
        levels=[
            {"key": level.value, "name": visit.say(f"assurance-{level.value}")} for level in levels[::-1]
        ],
        citizen=Role.CITIZEN.value,
    )
