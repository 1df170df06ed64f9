"""Codes and ID tokens of the embedded provider; its keys are derived from the node's, so workers agree."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from salus.core.access import Assurance
from salus.core.errors import MalformedContent, NotAuthenticated
from salus.core.identifiers import new_id
from salus.standards.jose import compact
from salus.standards.jose.encryption import open_direct, seal_direct
from salus.standards.openid.authorization import challenge_of
from salus.standards.smart.assertion import ASSERTION_TYPE, check_claims
from salus.store.federation import is_first_use
from salus.trust.keys import NodeKeys
from salus.web.provider.terms import CLIENT_ID, PREFIX
from salus.web.services import Services

CODE_LIFE, TOKEN_LIFE = timedelta(seconds=60), timedelta(minutes=5)
ENCRYPTION = "A256GCM"
_ORDER_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Asked(msgspec.Struct, frozen=True):
    """An authorization request, checked; `least` is the lowest level of assurance that it takes."""

    redirect_uri: str
    state: str
    nonce: str
    challenge: str
    hint: str
    least: Assurance


class _Code(msgspec.Struct, frozen=True):
    jti: str
    expires_at: float
    redirect_uri: str
    nonce: str
    challenge: str
    claims: dict[str, Any]


class Issuer:
    """The provider as the issuer of codes and tokens.

    Attributes:
        name: its issuer identifier.
        public_key: that its ID tokens are checked with.
    """

    def __init__(self, services: Services) -> None:
        """Take the node."""
        self.name = f"{services.base_url}{PREFIX}"
        self._services = services
        self._key = derived_key(services.keys, "id token")
        self._secret = hmac.digest(services.keys.search, b"salus provider codes", "sha256")
        self.public_key = {**self._key.as_dict(private=False), "use": "sig", "alg": "ES256", "kid": self._kid}

    @property
    def _kid(self) -> str:
        return self._key.thumbprint()

    def code(self, asked: Asked, claims: dict[str, Any]) -> str:
        """Return a code that is good once, for a minute."""
        until = (self._services.clock() + CODE_LIFE).timestamp()
        code = _Code(new_id(), until, asked.redirect_uri, asked.nonce, asked.challenge, claims)
        return seal_direct(msgspec.json.encode(code), self._secret, enc=ENCRYPTION)

    async def redeem(self, form: dict[str, str]) -> dict[str, Any]:
        """Return the tokens for a code.

        Raises:
            MalformedContent: the request is none.
            NotAuthenticated: the client, the code or its verifier is wrong.
        """
        if form.get("grant_type") != "authorization_code":
            raise MalformedContent("grant_type must be authorization_code")
        await self._check_client(form)
        now = self._services.clock()
        code = self._open(form.get("code", ""))
        if code.expires_at <= now.timestamp() or code.redirect_uri != form.get("redirect_uri"):
            raise NotAuthenticated("the code has expired, or was sent elsewhere")
        if not hmac.compare_digest(challenge_of(form.get("code_verifier", "")), code.challenge):
            raise NotAuthenticated("the code belongs to another log-in (code_verifier)")
        await self._once("code", code.jti, now, code.expires_at)
        claims = {
            "iss": self.name,
            "aud": CLIENT_ID,
            "iat": int(now.timestamp()),
            "exp": int((now + TOKEN_LIFE).timestamp()),
            "auth_time": int(now.timestamp()),
            "nonce": code.nonce,
            "sid": code.jti,
            **code.claims,
        }
        token = compact.sign(claims, self._key, kid=self._kid)
        return {"access_token": new_id(), "token_type": "Bearer", "expires_in": 60, "id_token": token}

    def _open(self, code: str) -> _Code:
        opened = open_direct(code, self._secret, encryptions=frozenset({ENCRYPTION}), bytes_max=16 * 1024)
        return msgspec.json.decode(opened.plaintext, type=_Code)

    async def _check_client(self, form: dict[str, str]) -> None:
        """Refuse whoever is not this node itself (private_key_jwt)."""
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise NotAuthenticated(f"send client_assertion with client_assertion_type {ASSERTION_TYPE}")
        key = self._services.keys.federation
        known = {**key.as_dict(private=False), "kid": key.kid}
        signed = compact.verify(form.get("client_assertion", ""), [known], algorithms=frozenset({"ES384"}))
        now, skew = self._services.clock(), self._services.limits.clock_skew_seconds
        assertion = check_claims(
            signed.claims, endpoint=f"{self.name}/token", now=now.timestamp(), skew_seconds=skew
        )
        if assertion.client != CLIENT_ID:
            raise NotAuthenticated("the client is not this node")
        await self._once("assertion", assertion.jti, now, assertion.expires_at + skew)

    async def _once(self, kind: str, jti: str, now: datetime, until: float) -> None:
        forget_at = datetime.fromtimestamp(until, UTC)
        is_first = await is_first_use(
            self._services.database, f"{self.name} {kind}", jti, forget_at=forget_at, now=now
        )
        if not is_first:
            raise NotAuthenticated(f"the {kind} was used already")


def open_issuer(services: Services) -> Issuer:
    """Return the provider of a demonstration node."""
    return Issuer(services)


def derived_key(keys: NodeKeys, name: str) -> ECKey:
    """Return a key pair of the demonstration (P-256), the same in every process of the node."""
    digest = hmac.digest(keys.search, f"salus provider key {name}".encode(), "sha512")
    secret = int.from_bytes(digest) % (_ORDER_P256 - 1) + 1
    return ECKey.import_key(ec.derive_private_key(secret, ec.SECP256R1()))
