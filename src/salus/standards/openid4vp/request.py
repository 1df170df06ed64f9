"""The request that a wallet fetches (OpenID4VP 1.0 section 5; HAIP 1.0 section 5).

A signed request object. The verifier is known by its access certificate: `client_id` is `x509_hash:` and the
SHA-256 of it. The answer is to come encrypted (`direct_post.jwt`) to a key made for this request alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cryptography.x509 import Certificate
from joserfc.jwk import ECKey

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.jose.certificates import certified_key, fingerprint, write_chain
from salus.standards.jose.compact import claims_of, moment, sign
from salus.standards.jose.keys import Jwk
from salus.standards.jose.signature import check_signature, take_apart
from salus.standards.openid4vp.query import SD_JWT, Query, read_query, write_query

TYPE = "oauth-authz-req+jwt"
AUDIENCE = "https://self-issued.me/v2"
CLIENT_ID_PREFIX = "x509_hash:"
RESPONSE_MODE = "direct_post.jwt"
SIGNATURES = frozenset({"ES256", "ES384"})
CREDENTIAL_SIGNATURES = ("ES256", "ES384")
ENCRYPTIONS = ("A128GCM", "A256GCM")
SIZE_MAX = 64 * 1024
LIFE_SECONDS = 300


class Request(msgspec.Struct, frozen=True):
    """What is asked, of whom it is asked unknown.

    Args:
        client_id: the verifier, with its prefix; the audience of key bindings.
        response_uri: where the wallet posts its answer.
        nonce: of this request (at least 128 bits); key bindings repeat it.
        state: by which the answer is found again.
        query: what is asked for.
        encryption_key: public key for the answer, with its `kid`.
    """

    client_id: str
    response_uri: str
    nonce: str
    state: str
    query: Query
    encryption_key: dict[str, Any]


def client_id_of(certificate: Certificate) -> str:
    """Return the verifier's name by its certificate (section 5.9.3, `x509_hash`)."""
    return CLIENT_ID_PREFIX + fingerprint(certificate)


def sign_request(
    request: Request,
    key: ECKey,
    chain: Sequence[Certificate],
    *,
    now: float,
    verifier_info: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the signed request object.

    Args:
        request: what is asked; its `client_id` must be that of the chain's first certificate.
        key: the private key of that certificate.
        chain: the certificate, then those above it, without the trust anchor.
        now: the present, in seconds since 1970.
        verifier_info: attestations about the verifier, such as its registration certificate (section 5.11).
    """
    assert chain
    assert request.client_id == client_id_of(chain[0])
    claims: dict[str, Any] = {
        "aud": AUDIENCE,
        "iat": int(now),
        "exp": int(now) + LIFE_SECONDS,
        "response_type": "vp_token",
        "response_mode": RESPONSE_MODE,
        "client_id": request.client_id,
        "response_uri": request.response_uri,
        "nonce": request.nonce,
        "state": request.state,
        "dcql_query": write_query(request.query),
        "client_metadata": _metadata(request.encryption_key),
    }
    if verifier_info:
        claims["verifier_info"] = list(verifier_info)
    return sign(claims, key, kid="", typ=TYPE, headers={"x5c": write_chain(chain)})


def _metadata(key: Jwk) -> dict[str, Any]:
    return {
        "jwks": {"keys": [{**key, "use": "enc", "alg": "ECDH-ES"}]},
        "encrypted_response_enc_values_supported": list(ENCRYPTIONS),
        "vp_formats_supported": {
            SD_JWT: {
                "sd-jwt_alg_values": list(CREDENTIAL_SIGNATURES),
                "kb-jwt_alg_values": list(CREDENTIAL_SIGNATURES),
            }
        },
    }


def read_request(token: str, *, client_id: str, anchors: Sequence[Certificate], now: float) -> Request:
    """Return what a verifier asks, as a wallet reads it.

    Args:
        token: the request object, as fetched.
        client_id: that the wallet was called with.
        anchors: of the authorities that register verifiers.
        now: the present, in seconds since 1970.

    Raises:
        NotAuthenticated: it is not signed by the verifier that the client id names, or stale.
        MalformedContent: it asks for something that HAIP does not allow.
    """
    parts = take_apart(token, size_max=SIZE_MAX, header_size_max=SIZE_MAX)
    if parts.header.get("typ") != TYPE:
        raise NotAuthenticated(f"the request's typ must be {TYPE}")
    key, leaf = certified_key(parts.header.get("x5c"), anchors=anchors, now=now)
    check_signature(parts, key, algorithms=SIGNATURES, understood=frozenset({"x5c"}))
    claims = claims_of(parts.payload)
    if claims.get("client_id") != client_id or client_id != client_id_of(leaf):
        raise NotAuthenticated("the request is signed by another verifier than its client_id names")
    if claims.get("aud") != AUDIENCE or moment(claims, "exp") <= now:
        raise NotAuthenticated("the request is stale, or not for a wallet")
    if claims.get("response_type") != "vp_token" or claims.get("response_mode") != RESPONSE_MODE:
        raise MalformedContent(f"the request must ask for a vp_token by {RESPONSE_MODE}")
    texts = {name: claims.get(name) for name in ("response_uri", "nonce", "state")}
    if "redirect_uri" in claims or not all(isinstance(one, str) and one for one in texts.values()):
        raise MalformedContent("the request must have response_uri, nonce and state, and no redirect_uri")
    query = claims.get("dcql_query")
    return Request(
        client_id=client_id,
        response_uri=str(texts["response_uri"]),
        nonce=str(texts["nonce"]),
        state=str(texts["state"]),
        query=read_query(query if isinstance(query, dict) else {}),
        encryption_key=_encryption_key(claims.get("client_metadata")),
    )


def _encryption_key(metadata: object) -> dict[str, Any]:
    jwks = metadata.get("jwks") if isinstance(metadata, dict) else None
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    for key in keys if isinstance(keys, list) else ():
        if isinstance(key, dict) and key.get("alg") == "ECDH-ES" and isinstance(key.get("kid"), str):
            return key
    raise MalformedContent("the request must name a key for the answer (client_metadata.jwks, ECDH-ES)")
