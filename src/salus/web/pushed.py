"""Requests that an app sends ahead of the person (RFC 9126): checked whole, then named by a reference."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from salus.core.errors import MalformedContent, OAuthRefused
from salus.federation.apps import offered
from salus.standards.smart.launch import addressed, read_launch
from salus.store.apps import push_request, pushed_request
from salus.store.federation import Client
from salus.web.oauth import FIELDS_MAX, NOT_KEPT, pairs_of
from salus.web.services import Services

REFERENCE = "urn:ietf:params:oauth:request_uri:"
PUSHED_SECONDS = 600
"""Room for the log-in that comes before the question."""
QUERY_LENGTH_MAX = 8_000
_OF_THE_APP = frozenset({"client_assertion", "client_assertion_type"})


async def push(services: Services, app: Client, fields: Mapping[str, str]) -> Response:
    """Keep the request of an authenticated app, and answer its reference.

    Raises:
        OAuthRefused: what is wrong with it, as the authorization endpoint would say.
    """
    asked = {name: text for name, text in fields.items() if text and name not in _OF_THE_APP}
    asked["client_id"] = app.id
    try:
        redirect = addressed(asked)[1]
    except MalformedContent as error:
        raise OAuthRefused("invalid_request", error.message) from error
    if redirect not in app.redirects:
        raise OAuthRefused("invalid_request", "redirect_uri is none that the app is registered with")
    offered(app, read_launch(asked, bases=services.own_bases))
    query = urlencode(asked)
    if len(query) > QUERY_LENGTH_MAX:
        raise OAuthRefused("invalid_request", f"the request is longer than {QUERY_LENGTH_MAX} characters")
    secret = secrets.token_urlsafe(24)
    expires_at = services.clock() + timedelta(seconds=PUSHED_SECONDS)
    await push_request(services.database, secret, app.id, query, expires_at=expires_at)
    answer = {"request_uri": REFERENCE + secret, "expires_in": PUSHED_SECONDS}
    return JSONResponse(answer, 201, headers=NOT_KEPT)


async def pushed(services: Services, reference: str, client: str) -> list[tuple[str, str]]:
    """Return the parameters of a request that this app sent ahead.

    Raises:
        MalformedContent: there is none, or none any more.
    """
    secret = secret_of(reference)
    now = services.clock()
    query = await pushed_request(services.database, secret, client, now=now) if secret else None
    if query is None:
        raise MalformedContent("The app's request is not known or too old; go back to the app.")
    return pairs_of(query.encode(), fields_max=FIELDS_MAX)


def secret_of(reference: str) -> str:
    """Return the secret of a reference, "" for any other address."""
    return reference.removeprefix(REFERENCE) if reference.startswith(REFERENCE) else ""
