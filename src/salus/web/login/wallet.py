"""Log-in by an EUDI wallet (OpenID4VP 1.0 under HAIP 1.0): what is asked, what is answered, who may take it.

A browser begins; a wallet, here or on another device, fetches the signed request and posts its encrypted
answer. The answer alone opens nothing. On the same device the wallet sends its owner's browser back with a
code, and only the browser that began may bring it. For a wallet on another device the owner reads a number
there and types it into the browser that began: whoever is lured to answer another's request, and tells no
number, lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec
from joserfc.jwk import ECKey

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.openid4vp.request import Request, client_id_of, sign_request
from salus.standards.openid4vp.response import Answer, open_answer, verify_answer
from salus.standards.sdjwt.credential import Credential
from salus.store import wallet_logins
from salus.trust.login.person import Person
from salus.trust.login.wallet import PID, WORK, person_by_wallet, query_for
from salus.web.login.attempt import Wish
from salus.web.login.statuses import Statuses
from salus.web.login.verifier import Verifier
from salus.web.services import Services

LIFE = timedelta(minutes=5)
NUMBER_DIGITS = 6
_LOGIN = re.compile(r"[A-Za-z0-9_-]{24}", re.ASCII)


class Asked(msgspec.Struct, frozen=True):
    """What was asked of a wallet; kept until it answers.

    Args:
        wish: of the browser that began.
        elsewhere: whether the wallet is on another device.
        nonce, state: of the request.
        key: private JWK that the answer is encrypted to.
    """

    wish: Wish
    elsewhere: bool
    nonce: str
    state: str
    key: dict[str, Any]


class Begun(msgspec.Struct, frozen=True):
    """A log-in that a browser began: its id, and the secret that the browser keeps."""

    login: str
    secret: str


class Desk:
    """Where wallets are asked."""

    def __init__(self, services: Services, verifier: Verifier, statuses: Statuses) -> None:
        """Take the node, how it is known as a verifier, and where revocations are looked up."""
        self._services = services
        self._statuses = statuses
        self.verifier = verifier

    async def begin(self, wish: Wish, *, elsewhere: bool) -> Begun:
        """Begin a log-in. Raises Throttled."""
        begun = Begun(secrets.token_urlsafe(18), secrets.token_urlsafe(24))
        key = ECKey.generate_key("P-256").as_dict(private=True)
        asked = Asked(wish, elsewhere, secrets.token_urlsafe(24), secrets.token_urlsafe(24), dict(key))
        now = self._services.clock()
        await wallet_logins.begin(
            self._services.database,
            begun.login,
            browser=_digest(begun.secret),
            asked=msgspec.json.encode(asked),
            expires_at=now + LIFE,
            now=now,
        )
        return begun

    def address_for(self, login: str, start: str = "") -> str:
        """Return the address that opens a wallet: that of the settings' scheme, or another one's start."""
        client = quote(client_id_of(self.verifier.chain[0]), safe="")
        start = start or f"{self.verifier.wallet.scheme}://"
        return f"{start}?client_id={client}&request_uri={quote(self._base(login, 'request'), safe='')}"

    async def find(self, login: str) -> tuple[Asked, wallet_logins.WalletLogin] | None:
        """Return what was asked in a log-in, None when there is none, or it has expired."""
        if not _LOGIN.fullmatch(login):
            return None
        found = await wallet_logins.find(self._services.database, login, self._services.clock())
        return None if found is None else (msgspec.json.decode(found.asked, type=Asked), found)

    async def request(self, login: str) -> str | None:
        """Return the signed request object of a log-in that is not answered yet."""
        found = await self.find(login)
        if found is None or found[1].answered:
            return None
        now = self._services.clock().timestamp()
        verifier = self.verifier
        request = self._request(login, found[0])
        return sign_request(request, verifier.key, verifier.chain, now=now, verifier_info=verifier.info)

    async def answer(self, login: str, token: str) -> str:
        """Take a wallet's answer; return where its owner is to go on.

        Raises:
            NotAuthenticated: no such log-in waits, or something about the answer is wrong.
            WalletRefused: the owner did not want to.
            MalformedContent: it is no answer.
            PeerUnavailable: a status list cannot be fetched.
        """
        found = await self.find(login)
        if found is None:
            raise NotAuthenticated("no log-in waits for this answer; begin anew")
        asked = found[0]
        opened = open_answer(token, ECKey.import_key(asked.key), kid=login)
        shown = await self._verified(opened, self._request(login, asked), asked)
        person = person_by_wallet(
            self.verifier.wallet,
            shown,
            as_professional=asked.wish.as_professional,
            key=self._services.keys.search,
        )
        code = f"{secrets.randbelow(10**NUMBER_DIGITS):0{NUMBER_DIGITS}}"
        code = code if asked.elsewhere else secrets.token_urlsafe(24)
        is_first = await wallet_logins.answer(
            self._services.database,
            login,
            person=msgspec.json.encode(person),
            code=_digest(code),
            now=self._services.clock(),
        )
        if not is_first:
            raise NotAuthenticated("this log-in was answered already")
        page = "number" if asked.elsewhere else "done"
        return f"{self._services.base_url}/wallet/{page}?code={code}"

    async def take(self, begun: Begun, code: str) -> Person | None:
        """Return who answered, once, to the browser that began and has the code."""
        found = await wallet_logins.take(
            self._services.database,
            begun.login,
            browser=_digest(begun.secret),
            code=_digest(code),
            now=self._services.clock(),
        )
        return None if found is None else msgspec.json.decode(found, type=Person)

    async def _verified(self, answer: Answer, request: Request, asked: Asked) -> dict[str, Credential]:
        """Return the credentials that were shown, each by an issuer that is trusted for its kind.

        Only one credential of a kind is asked for, so that each is verified against its own issuers.
        """
        if answer.presentations.keys() != {each.id for each in request.query.credentials}:
            raise NotAuthenticated("the wallet did not show what was asked for, or more")
        trusted = {PID: self.verifier.pid, WORK: self.verifier.work}
        shown = {}
        for query in request.query.credentials:
            alone = msgspec.structs.replace(
                request, query=msgspec.structs.replace(request.query, credentials=(query,))
            )
            part = Answer(answer.state, {query.id: answer.presentations[query.id]})
            found = verify_answer(
                part,
                alone,
                issuers=trusted[query.id].issuers,
                anchors=trusted[query.id].anchors,
                now=self._services.clock().timestamp(),
                skew_seconds=self._services.limits.clock_skew_seconds,
            )
            shown[query.id] = found[query.id][0]
            await self._statuses.check(shown[query.id], trusted[query.id])
        return shown

    def _request(self, login: str, asked: Asked) -> Request:
        public = ECKey.import_key(asked.key).as_dict(private=False)
        return Request(
            client_id=client_id_of(self.verifier.chain[0]),
            response_uri=self._base(login, "answer"),
            nonce=asked.nonce,
            state=asked.state,
            query=query_for(self.verifier.wallet, as_professional=asked.wish.as_professional),
            encryption_key={**public, "kid": login},
        )

    def _base(self, login: str, page: str) -> str:
        return f"{self._services.base_url}/wallet/{page}/{login}"


def is_begun_by(found: wallet_logins.WalletLogin, begun: Begun) -> bool:
    """Return whether this is the browser that began."""
    return hmac.compare_digest(found.browser, _digest(begun.secret))


def read_begun(cookie: str) -> Begun:
    """Return what a browser keeps of a log-in that it began.

    Raises:
        MalformedContent: it keeps nothing.
    """
    login, _, secret = cookie.partition(".")
    if not login or not secret:
        raise MalformedContent("No log-in by a wallet was begun in this browser, or it is over; begin anew.")
    return Begun(login, secret)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
