"""The node as relying party of one provider: its metadata and keys as last fetched, codes exchanged."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from salus.core.clock import Clock
from salus.core.errors import NotAuthenticated, PeerUnavailable, SalusError, SettingsInvalid
from salus.core.identifiers import new_id
from salus.core.limits import Limits
from salus.standards.jose.encoding import read_object
from salus.standards.jose.keys import Jwk
from salus.standards.openid.id_token import (
    Expected,
    LogoutToken,
    check_id_token,
    check_logout_token,
    key_named,
    verify_signed,
)
from salus.standards.openid.metadata import Metadata, discovery_address, read_keys, read_metadata
from salus.standards.smart.assertion import ASSERTION_TYPE, claims_for
from salus.trust.login.provider import Provider
from salus.web.login.outgoing import get, post

KEPT = timedelta(hours=1)
REST = timedelta(seconds=5)
"""After a provider was out of reach: whoever waits for it would wait in line."""
PAUSE = timedelta(seconds=30)
"""Between two fetches of the keys that an unknown key id causes."""

Sign = Callable[[dict[str, Any]], str]
"""Signs the claims of a client assertion with the node's key."""


class Tokens(msgspec.Struct, frozen=True):
    """What a provider gave for a code: the ID token and its claims, verified, with those of userinfo."""

    id_token: str
    claims: dict[str, Any]


class RelyingParty:
    """Knows one provider.

    Attributes:
        provider: as the settings say.
    """

    def __init__(
        self,
        provider: Provider,
        client: httpx.AsyncClient,
        *,
        limits: Limits,
        clock: Clock,
        sign: Sign,
        secret: str = "",
    ) -> None:
        """Take the HTTP client to call with, and the secret, "" to sign client assertions instead."""
        self.provider = provider
        self._client = client
        self._limits = limits
        self._clock = clock
        self._sign = sign
        self._secret = secret
        self._metadata: Metadata | None = None
        self._keys: list[Jwk] = []
        self._learned_at = self._fetched_at = self._missed_at = datetime.min.replace(tzinfo=UTC)
        self._turn = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """Return the provider's metadata, at most an hour old.

        Raises:
            PeerUnavailable: it does not answer.
            NotAuthenticated: what it answers cannot be used.
        """
        async with self._turn:
            if self._metadata is None or self._clock() - self._learned_at > KEPT:
                body = await self._fetch(discovery_address(self.provider.issuer))
                self._metadata = read_metadata(body, self.provider.issuer)
                self._learned_at = self._clock()
            return self._metadata

    async def exchange(self, code: str, *, verifier: str, redirect_uri: str, nonce: str) -> Tokens:
        """Return whom a code is about.

        Args:
            code: that the browser brought.
            verifier: whose digest the provider was shown (PKCE).
            redirect_uri: that the code was sent to.
            nonce: of the request.

        Raises:
            PeerUnavailable: the provider does not answer.
            NotAuthenticated: it refuses, or something about its tokens is wrong.
        """
        metadata = await self.metadata()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form |= {"code_verifier": verifier}
        headers = {}
        if self._secret:
            headers["authorization"] = _basic(self.provider.client_id, self._secret)
        else:
            form |= self._assertion(metadata)
        body = await post(self._client, self._limits, metadata.token_endpoint, form, headers=headers)
        found = _object(body)
        id_token, access_token = found.get("id_token"), found.get("access_token", "")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise NotAuthenticated("the provider answered no ID token")
        signed = verify_signed(id_token, await self._keys_for(id_token))
        now = self._clock().timestamp()
        claims = check_id_token(signed, self._expected(), nonce=nonce, now=now, access_token=access_token)
        if self.provider.userinfo:
            claims = await self._userinfo(metadata, access_token, claims)
        return Tokens(id_token, claims)

    async def logout_token(self, token: str) -> LogoutToken:
        """Return whose sessions a logout token of the provider ends. Raises as `exchange` does."""
        signed = verify_signed(token, await self._keys_for(token))
        return check_logout_token(signed, self._expected(), now=self._clock().timestamp())

    def _expected(self) -> Expected:
        return Expected(self.provider.issuer, self.provider.client_id, self._limits.clock_skew_seconds)

    def _assertion(self, metadata: Metadata) -> dict[str, str]:
        client, now = self.provider.client_id, self._clock().timestamp()
        claims = claims_for(client, metadata.token_endpoint, jti=new_id(), now=now, asker=None)
        return {
            "client_id": client,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._sign(claims),
        }

    async def _keys_for(self, token: str) -> list[Jwk]:
        """Return the provider's keys; a key id that is new to us fetches them anew, now and then."""
        kid = key_named(token)
        metadata = await self.metadata()
        async with self._turn:
            age = self._clock() - self._fetched_at
            is_known = any(key.get("kid") == kid for key in self._keys) or (not kid and bool(self._keys))
            if age > KEPT or (not is_known and age > PAUSE):
                self._keys = read_keys(await self._fetch(metadata.jwks_uri))
                self._fetched_at = self._clock()
            return self._keys

    async def _fetch(self, address: str) -> bytes:
        """Return what the provider answers; for some seconds after it was out of reach, do not ask again."""
        if self._clock() - self._missed_at < REST:
            host = httpx.URL(address).host
            raise PeerUnavailable(f"{host} was out of reach a moment ago; try again in some seconds")
        try:
            return await get(self._client, self._limits, address)
        except PeerUnavailable:
            self._missed_at = self._clock()
            raise

    async def _userinfo(
        self, metadata: Metadata, access_token: str, claims: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the claims with those of the userinfo endpoint; what the ID token says counts (Core 5.3)."""
        if not metadata.userinfo_endpoint or not access_token:
            raise NotAuthenticated("the provider has no userinfo, which the settings ask for")
        headers = {"authorization": f"Bearer {access_token}"}
        found = _object(await get(self._client, self._limits, metadata.userinfo_endpoint, headers=headers))
        if found.get("sub") != claims["sub"]:
            raise NotAuthenticated("the provider's userinfo is about somebody else (sub)")
        return found | claims


def secret_of(provider: Provider, data: Path) -> str:
    """Return the client secret of a provider, "" where it has none.

    Raises:
        SettingsInvalid: the file cannot be read, is empty, or can be read by others.
    """
    if not provider.secret_file:
        return ""
    path = data / provider.secret_file
    try:
        is_open = bool(path.stat().st_mode & 0o077)
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"The secret of log-in {provider.id} cannot be read from {path}.") from error
    if is_open or not secret:
        raise SettingsInvalid(f"{path} must hold a secret that others cannot read; run `chmod 600 {path}`.")
    return secret


def _object(body: bytes) -> dict[str, Any]:
    try:
        return read_object(body)
    except SalusError as error:
        raise NotAuthenticated("the provider's answer cannot be read") from error


def _basic(client_id: str, secret: str) -> str:
    """Return the Authorization header of a client with a secret (RFC 6749 section 2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
