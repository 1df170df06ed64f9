"""Whether credentials still count: Token Status Lists, fetched and kept for as long as they say."""

from __future__ import annotations

import httpx

from salus.core.clock import Clock
from salus.core.errors import NotAuthenticated
from salus.core.limits import Limits
from salus.standards.sdjwt.credential import Credential
from salus.standards.sdjwt.status_list import StatusList, check_status, read_status_list
from salus.trust.login.wallet import check_ends
from salus.web.login.outgoing import get
from salus.web.login.verifier import Trusted

MEDIA_TYPE = "application/statuslist+jwt"
BYTES_MAX = 8 * 1024 * 1024
KEPT_SECONDS_MAX = 300.0
LISTS_MAX = 200


class Statuses:
    """The lists that were fetched, by their address."""

    def __init__(self, client: httpx.AsyncClient, limits: Limits, clock: Clock) -> None:
        """Take the HTTP client to fetch with."""
        self._client = client
        self._limits = limits
        self._clock = clock
        self._kept: dict[str, tuple[StatusList, float]] = {}

    async def check(self, credential: Credential, trusted: Trusted) -> None:
        """Return when the credential was not revoked.

        Args:
            credential: verified; its issuer, and nobody else, publishes its status.
            trusted: who may issue such credentials.

        Raises:
            NotAuthenticated: it was revoked or suspended, or nobody can tell.
            PeerUnavailable: the list cannot be fetched.
        """
        now = self._clock().timestamp()
        check_ends(credential, now)
        reference = credential.status
        if reference is None:
            return
        found, fetched_at = await self._list(reference.uri, credential.issuer, trusted, now)
        check_status(reference, found, fetched_at=fetched_at, now=now)

    async def _list(self, uri: str, issuer: str, trusted: Trusted, now: float) -> tuple[StatusList, float]:
        key = f"{issuer} {uri}"
        kept = self._kept.get(key)
        if kept is not None and now < kept[1] + min(kept[0].seconds or 0.0, KEPT_SECONDS_MAX):
            return kept
        body = await get(self._client, self._limits, uri, accept=MEDIA_TYPE, bytes_max=BYTES_MAX)
        try:
            text = body.decode("ascii").strip()
        except UnicodeDecodeError as error:
            raise NotAuthenticated("the status list cannot be read") from error
        skew = self._limits.clock_skew_seconds
        found = read_status_list(
            text,
            trusted.keys_of(issuer),
            uri=uri,
            now=now,
            anchors=trusted.anchors_of(issuer),
            skew_seconds=skew,
        )
        while len(self._kept) >= LISTS_MAX:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = found, now
        return found, now
