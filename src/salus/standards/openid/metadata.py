"""What a provider says of itself (OpenID Connect Discovery 1.0 sections 3 and 4; RFC 8414; RFC 9207)."""

from __future__ import annotations

from typing import Any

import msgspec

from salus.core.addresses import is_callable_address
from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.jose.encoding import read_object
from salus.standards.jose.keys import Jwk

WELL_KNOWN = "/.well-known/openid-configuration"
KEYS_MAX = 100


class Metadata(msgspec.Struct, frozen=True):
    """Where a provider's endpoints are.

    Args:
        issuer: its name, exactly as its tokens spell it.
        authorization_endpoint: where browsers are sent.
        token_endpoint: where codes are exchanged.
        jwks_uri: where its keys are.
        userinfo_endpoint, end_session_endpoint: "" where it has none.
        names_itself: whether it names itself in authorization responses (RFC 9207).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    names_itself: bool = False


def discovery_address(issuer: str) -> str:
    """Return where the metadata of an issuer is (section 4)."""
    return issuer.rstrip("/") + WELL_KNOWN


def read_metadata(body: bytes, issuer: str) -> Metadata:
    """Return the metadata of the issuer whose well-known address answered `body`.

    Raises:
        NotAuthenticated: it is another's, or lacks what a log-in needs.
    """
    found = _object(body, "metadata")
    if found.get("issuer") != issuer:
        raise NotAuthenticated("the provider's metadata name another issuer; correct `issuer`")
    flows = found.get("response_types_supported", ["code"])
    methods = found.get("code_challenge_methods_supported", ["S256"])
    if not isinstance(flows, list) or "code" not in flows:
        raise NotAuthenticated("the provider does not offer the authorization code flow")
    if not isinstance(methods, list) or "S256" not in methods:
        raise NotAuthenticated("the provider does not offer PKCE with S256")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_endpoint(found, "authorization_endpoint"),
        token_endpoint=_endpoint(found, "token_endpoint"),
        jwks_uri=_endpoint(found, "jwks_uri"),
        userinfo_endpoint=_endpoint(found, "userinfo_endpoint", optional=True),
        end_session_endpoint=_endpoint(found, "end_session_endpoint", optional=True),
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )


def read_keys(body: bytes) -> list[Jwk]:
    """Return the keys of a JWK Set (RFC 7517 section 5); what is no key is left out.

    Raises:
        NotAuthenticated: it is none.
    """
    keys = _object(body, "keys").get("keys")
    if not isinstance(keys, list) or len(keys) > KEYS_MAX:
        raise NotAuthenticated("the provider's keys are no JWK Set, or too many")
    return [key for key in keys if isinstance(key, dict)]


def _object(body: bytes, what: str) -> dict[str, Any]:  # Any: JSON of a provider
    try:
        return read_object(body)
    except MalformedContent as error:
        raise NotAuthenticated(f"the provider's {what} cannot be read: {error.message}") from error


def _endpoint(found: dict[str, Any], name: str, *, optional: bool = False) -> str:
    address = found.get(name, "")
    if optional and not address:
        return ""
    if not isinstance(address, str) or not is_callable_address(address.rstrip("/")):
        raise NotAuthenticated(f"the provider's {name} must be an https address")
    return address
