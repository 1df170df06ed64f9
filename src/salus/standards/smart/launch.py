"""What an app asks of the authorization endpoint (SMART App Launch 2.2; RFC 6749, 4.1.1; RFC 7636; RFC 9207).

Pure. Where a request may be answered to is settled first (`addressed`); only then what it asks for
(`read_launch`), so that nothing is ever sent to an address that was not registered.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode, urlsplit

import msgspec

from salus.core.errors import MalformedContent, OAuthRefused
from salus.standards.jose.encoding import encode

REDIRECTS_MAX = 20
ADDRESS_LENGTH_MAX = 500
STATE_LENGTH_MAX = NONCE_LENGTH_MAX = LAUNCH_LENGTH_MAX = 1_024
SCOPE_LENGTH_MAX = 4_096
CONTEXT = frozenset({"launch", "launch/patient"})
IDENTITY = frozenset({"openid", "fhirUser", "profile"})
LASTING = frozenset({"offline_access", "online_access"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+", re.ASCII)
_HOST = re.compile(r"[a-z0-9.-]+|[0-9a-f:]+", re.ASCII)
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


class LaunchRequest(msgspec.Struct, frozen=True):
    """What an app asks for.

    Args:
        client: its id.
        redirect: where the answer goes, one of its registered addresses.
        scopes: asked for, each once, in their order.
        state: which the answer repeats.
        challenge: PKCE, the SHA-256 of a verifier in base64url.
        nonce: which the id token repeats, "" for none.
        launch: what the portal gave the app when it opened it, "" for a standalone launch.
        asks_again: whether the person is to be asked although they allowed it before (`prompt=consent`).
    """

    client: str
    redirect: str
    scopes: tuple[str, ...]
    state: str
    challenge: str
    nonce: str
    launch: str
    asks_again: bool


def once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters by name, those without a value left away (RFC 6749, 3.1).

    Raises:
        MalformedContent: one is given twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedContent("a parameter is given twice; send each once")
    return {name: text for name, text in found.items() if text}


def addressed(fields: Mapping[str, str]) -> tuple[str, str]:
    """Return the client id and the redirect URI that a request names.

    Raises:
        MalformedContent: it lacks one; there is nobody to answer to.
    """
    for name in ("client_id", "redirect_uri"):
        if not fields.get(name):
            raise MalformedContent(f"the app must send {name}")
    return fields["client_id"], fields["redirect_uri"]


def read_launch(fields: Mapping[str, str], *, bases: Sequence[str]) -> LaunchRequest:
    """Return what is asked for; client and redirect URI are known to belong together.

    Args:
        fields: by `once`.
        bases: FHIR base addresses of this node, one of which `aud` must name.

    Raises:
        OAuthRefused: the parameter that is missing or wrong is named.
    """
    client, redirect = addressed(fields)
    if fields.get("response_type") != "code":
        raise OAuthRefused("unsupported_response_type", "response_type must be code")
    if fields.get("response_mode", "query") != "query":
        raise OAuthRefused("invalid_request", "response_mode must be query")
    if "request" in fields or "request_uri" in fields:
        raise OAuthRefused("request_not_supported", "send the parameters themselves, without request objects")
    state = _text(fields, "state", STATE_LENGTH_MAX)
    if not state:
        raise OAuthRefused("invalid_request", "send a state that cannot be guessed")
    if fields.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(
        fields.get("code_challenge", "")
    ):
        raise OAuthRefused("invalid_request", "send a code_challenge with code_challenge_method=S256 (PKCE)")
    if fields.get("aud", "").removesuffix("/") not in bases:
        raise OAuthRefused("invalid_request", f"aud must be {bases[0]}, the address of the FHIR server")
    scope = fields.get("scope", "")
    if not scope.split() or len(scope) > SCOPE_LENGTH_MAX:
        raise OAuthRefused("invalid_scope", f"ask for scopes, in at most {SCOPE_LENGTH_MAX} characters")
    if "none" in fields.get("prompt", "").split():
        raise OAuthRefused("interaction_required", "prompt=none is not served: the person is always there")
    return LaunchRequest(
        client=client,
        redirect=redirect,
        scopes=tuple(dict.fromkeys(scope.split())),
        state=state,
        challenge=fields["code_challenge"],
        nonce=_text(fields, "nonce", NONCE_LENGTH_MAX),
        launch=_text(fields, "launch", LAUNCH_LENGTH_MAX),
        asks_again="consent" in fields.get("prompt", "").split(),
    )


def _text(fields: Mapping[str, str], name: str, length_max: int) -> str:
    found = fields.get(name, "")
    if found and (len(found) > length_max or not found.isprintable()):
        raise OAuthRefused("invalid_request", f"{name} must be at most {length_max} printable characters")
    return found


def keeps_challenge(verifier: str, challenge: str) -> bool:
    """Return whether the verifier is the one of the S256 challenge (RFC 7636, 4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    return hmac.compare_digest(encode(hashlib.sha256(verifier.encode()).digest()), challenge)


def answer_address(redirect: str, answer: Mapping[str, str]) -> str:
    """Return the redirect URI with the answer, which joins the parameters that it has."""
    return f"{redirect}{'&' if urlsplit(redirect).query else '?'}{urlencode(answer)}"


def is_redirect(address: str) -> bool:
    """Return whether an app may be answered at the address.

    By https, on the person's own machine by http, or by a scheme that a native app owns, a domain name turned
    round (RFC 8252, 7.1); absolute, without a fragment, and with nothing that reads as two addresses.
    """
    if len(address) > ADDRESS_LENGTH_MAX or not _PRINTABLE.fullmatch(address) or set('\\#<>"') & set(address):
        return False
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.password is not None or "/.." in parts.path:
        return False
    if host is not None and not _HOST.fullmatch(host):
        return False
    if parts.scheme == "https":
        return bool(host)
    if parts.scheme == "http":
        return host in _LOOPBACK
    return _PRIVATE_SCHEME.fullmatch(parts.scheme) is not None and bool(parts.path.strip("/") or host)


def origin_of(address: str) -> str:
    """Return scheme, host and port as a browser's Origin header writes them, "" for an app's own scheme."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
