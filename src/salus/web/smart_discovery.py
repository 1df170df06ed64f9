"""What the node says of its authorization server: exactly what is true (SMART App Launch 2.2)."""

from __future__ import annotations

from typing import Any

from salus.standards.smart import dpop
from salus.standards.smart.assertion import ALGORITHMS

CAPABILITIES = [
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-ehr-patient",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
]
SCOPES = [
    "openid",
    "fhirUser",
    "launch",
    "launch/patient",
    "offline_access",
    "online_access",
    "patient/*.cruds",
    "patient/*.rs",
    "user/*.cruds",
    "user/*.rs",
    "system/*.rs",
    "system/*.read",
    "system/MedicationDispense.cru",
    "system/DocumentReference.crs",
]


def configuration(base_url: str) -> dict[str, Any]:  # Any: JSON
    """Return what `/.well-known/smart-configuration` says; the CapabilityStatement repeats the addresses."""
    return {
        "issuer": base_url,
        "authorization_endpoint": f"{base_url}/oauth/authorize",
        "pushed_authorization_request_endpoint": f"{base_url}/oauth/par",
        "token_endpoint": f"{base_url}/oauth/token",
        "revocation_endpoint": f"{base_url}/oauth/revoke",
        "introspection_endpoint": f"{base_url}/oauth/introspect",
        "management_endpoint": f"{base_url}/apps",
        "jwks_uri": f"{base_url}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS),
        "dpop_signing_alg_values_supported": sorted(dpop.ALGORITHMS),
        "scopes_supported": SCOPES,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "capabilities": CAPABILITIES,
    }


def provider(base_url: str) -> dict[str, Any]:  # Any: JSON
    """Return what `/.well-known/openid-configuration` says (OpenID Connect Discovery 1.0, 3)."""
    shared = configuration(base_url)
    left_out = ("capabilities", "management_endpoint")
    return {name: value for name, value in shared.items() if name not in left_out} | {
        "response_modes_supported": ["query"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES384"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "fhirUser", "profile"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_pushed_authorization_requests": False,
    }
