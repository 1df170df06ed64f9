"""The authorization request and its answer (OpenID Connect Core 1.0 section 3.1.2; RFC 7636; RFC 9207)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from salus.core.errors import NotAuthenticated
from salus.standards.jose.encoding import encode
from salus.standards.openid.metadata import Metadata

_CODE = re.compile(r"[\x20-\x7e]{1,4096}", re.ASCII)
_ERROR = re.compile(r"[a-z_]{1,64}", re.ASCII)


class AuthorizationRequest(msgspec.Struct, frozen=True):
    """What a browser carries to a provider.

    Args:
        client_id: of this node at the provider.
        redirect_uri: where the browser is to come back.
        scopes: "openid" is among them.
        state: by which the answer belongs to this browser.
        nonce: which the ID token repeats.
        verifier: of PKCE; only its digest is sent.
        acr_values: acceptable levels, the preferred one first; () for any.
        login_hint: who is expected, "" for anybody.
        language: of the pages.
        is_fresh: whether the person must show anew who they are.
    """

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    nonce: str
    verifier: str
    acr_values: tuple[str, ...] = ()
    login_hint: str = ""
    language: str = ""
    is_fresh: bool = False


def challenge_of(verifier: str) -> str:
    """Return the S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    return encode(hashlib.sha256(verifier.encode()).digest())


def authorization_address(request: AuthorizationRequest, metadata: Metadata) -> str:
    """Return where to send the browser."""
    fields = {
        "response_type": "code",
        "client_id": request.client_id,
        "redirect_uri": request.redirect_uri,
        "scope": " ".join(request.scopes),
        "state": request.state,
        "nonce": request.nonce,
        "code_challenge": challenge_of(request.verifier),
        "code_challenge_method": "S256",
        "acr_values": " ".join(request.acr_values),
        "login_hint": request.login_hint,
        "ui_locales": request.language,
        "prompt": "login" if request.is_fresh else "",
    }
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"{metadata.authorization_endpoint}?{query}"


def read_answer(pairs: Sequence[tuple[str, str]], *, state: str, metadata: Metadata) -> str:
    """Return the code that a browser brought back.

    Args:
        pairs: the parameters of the redirect, in their order.
        state: that was sent by this browser.
        metadata: of the provider that it was sent to.

    Raises:
        NotAuthenticated: it answers another request, comes from another provider, or the provider refused.
    """
    found: Mapping[str, str] = dict(pairs)
    if len(found) != len(pairs):
        raise NotAuthenticated("the provider's answer names a parameter twice")
    if not hmac.compare_digest(found.get("state", "").encode(), state.encode()):
        raise NotAuthenticated("the answer belongs to another log-in (state)")
    issuer = found.get("iss")
    if (issuer is None and metadata.names_itself) or issuer not in (None, metadata.issuer):
        raise NotAuthenticated("the answer comes from another provider (iss)")
    if "error" in found:
        error = found["error"] if _ERROR.fullmatch(found["error"]) else "an error"
        raise NotAuthenticated(f"the provider did not log you in ({error})")
    if not _CODE.fullmatch(found.get("code", "")):
        raise NotAuthenticated("the provider's answer holds no code")
    return found["code"]


def end_session_address(metadata: Metadata, client_id: str, id_token: str, back_to: str) -> str:
    """Return where a browser ends the provider's session (RP-Initiated Logout 1.0 section 2).

    It is "" where the provider has none.
    """
    if not metadata.end_session_endpoint:
        return ""
    fields = {"id_token_hint": id_token, "client_id": client_id, "post_logout_redirect_uri": back_to}
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"{metadata.end_session_endpoint}?{query}"
