"""Signed calls to other nodes, one at a time (SMART Backend Services over HTTPS).

A call goes to a member's own address and nowhere else: redirects are not followed, links that a peer sends
must lie under its base address, plain http is for the loopback interface. A peer that is late, unreachable,
too talkative or unreadable raises `PeerUnavailable` and says which it was.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
from joserfc.jwk import ECKey

from salus.core.access import Purpose
from salus.core.clock import Clock
from salus.core.errors import (
    AccessRefused,
    AlreadyDone,
    Conflict,
    InvalidResource,
    KeptAsIs,
    MalformedContent,
    NotAuthenticated,
    NotFound,
    PeerUnavailable,
    SalusError,
    Throttled,
    TooLarge,
)
from salus.core.identifiers import new_id
from salus.core.limits import Limits
from salus.core.tally import Outcome, Tally
from salus.federation.chains import Chains, Vouched
from salus.federation.exchanges import (
    ASKED,
    NO_REASON,
    Observe,
    exchange,
    outcome_of_answer,
    outcome_of_error,
)
from salus.federation.membership_list import Member
from salus.standards.fhir.codec.json import parse_json
from salus.standards.jose.keys import thumbprint
from salus.standards.smart.asker import Asker
from salus.standards.smart.assertion import ASSERTION_TYPE, claims_for
from salus.standards.smart.dpop import make_proof

TOKEN_BYTES_MAX = 16 * 1024
TOKENS_MAX = 1_000
RENEW_SECONDS = 15
DIAGNOSTICS_LENGTH_MAX = 200
FORM = "application/x-www-form-urlencoded"
FHIR_JSON = "application/fhir+json"
PATH = re.compile(r"(/[A-Za-z0-9$._~-]+)*", re.ASCII)
REFUSALS: Mapping[int, type[SalusError]] = {
    400: MalformedContent, 401: NotAuthenticated, 403: AccessRefused, 404: NotFound, 410: NotFound,
    409: Conflict, 412: Conflict, 422: InvalidResource,
}  # fmt: skip
CONFLICTS: Mapping[str, type[Conflict]] = {each.issue: each for each in (AlreadyDone, KeptAsIs)}


class Answer(msgspec.Struct, frozen=True):
    """What a peer answered, as bytes: 2xx, or 304 where it was asked for."""

    status: int
    body: bytes
    content_type: str
    location: str = ""


def _unobserved(_: Tally, __: float) -> None:
    """Tell nobody how a call ended."""


class _Token(msgspec.Struct, frozen=True):
    text: str
    expires_at: float


class Peers:
    """The node's way to other nodes: its client, its signature, and the tokens it holds until they expire.

    Args:
        node: this node's id.
        sign: signs the claims of an assertion with the node's ES384 key.
        observe: is told how each call ended.
    """

    def __init__(
        self,
        *,
        node: str,
        chains: Chains,
        client: httpx.AsyncClient,
        sign: Callable[[Mapping[str, Any]], str],
        clock: Clock,
        limits: Limits,
        observe: Observe = _unobserved,
    ) -> None:
        self.node = node
        self.chains = chains
        self.membership = chains.membership
        self.clock = clock
        self.limits = limits
        self._client = client
        self._sign = sign
        self._observe = observe
        self._tokens: dict[tuple[str, Asker, str], _Token] = {}
        self._key = ECKey.generate_key("P-256")  # its tokens die with the process, and so may their key

    @property
    def key(self) -> str:
        """Return the thumbprint of the key that this node's tokens at its peers are bound to."""
        return thumbprint(self._key.as_dict(private=False))

    def prove(self, method: str, address: str, token: str = "", request: str = "") -> str:
        """Return the proof for one request that the sender holds that key (RFC 9449)."""
        now = self.clock().timestamp()
        return make_proof(self._key, method, address, jti=new_id(), now=now, token=token, request=request)

    async def call(
        self,
        member: Member,
        asker: Asker,
        method: str,
        path: str,
        *,
        scope: str,
        body: bytes = b"",
        content_type: str = FHIR_JSON,
        accept: str = FHIR_JSON,
        headers: Mapping[str, str] | None = None,
        request: str = "",
    ) -> Answer:
        """Send one request to a member under a token for this asker, within the deadline.

        Args:
            member: whom to ask.
            asker: for whom.
            method: of HTTP.
            path: below the member's base address, e.g. "/fhir/Patient/_search"; never a query.
            scope: SMART scopes to ask for, the same for all calls about one patient.
            body: what is sent.
            content_type: of the body.
            accept: what may be answered.
            headers: further ones, e.g. If-None-Exist.
            request: id under which this node writes the access down (`trust.gate.Access.cross`).

        Raises:
            PeerUnavailable: no readable answer in time.
            AccessRefused, NotFound, Conflict, InvalidResource, NotAuthenticated: the peer refused, or it has
                no trust chain.
        """
        assert PATH.fullmatch(path), "a path is built from checked parts, without a query"
        started = time.perf_counter()
        outcome = Outcome.LATE  # where whoever asks waits no longer
        try:
            answer = await self._call(
                member, asker, method, path, scope, body, content_type, accept, headers or {}, request
            )
            outcome = outcome_of_answer(answer.status, answer.body)
        except SalusError as error:
            outcome = outcome_of_error(error)
            raise
        finally:
            segments = path.removeprefix("/fhir").strip("/").split("/") if path != "/fhir" else ()
            happened = exchange(ASKED, member.node, member.country, segments, outcome)
            self._observe(happened, (time.perf_counter() - started) * 1_000)
        return answer

    async def _call(
        self,
        member: Member,
        asker: Asker,
        method: str,
        path: str,
        scope: str,
        body: bytes,
        content_type: str,
        accept: str,
        headers: Mapping[str, str],
        request: str,
    ) -> Answer:
        self.membership.admitted(member.node, self.clock())
        sent = {"accept": accept, "content-type": content_type, **headers}
        async with _deadline(member, self.limits.peer_deadline_ms):
            _, found = await self.chains.vouched(member)
            if found is Vouched.CUT_OFF and asker.purpose is not Purpose.EMERGENCY:
                raise AccessRefused(
                    "this node cannot reach the federation's anchor, and asks others in emergencies only"
                )
            for attempt in (1, 2):
                token, address = await self._token(member, asker, scope), f"{member.base_url}{path}"
                sent |= {
                    "authorization": f"DPoP {token}",
                    "dpop": self.prove(method, address, token, request),
                }
                answer = await self._send(member, method, address, sent, body, self.limits.body_bytes_max)
                if answer.status == 401 and attempt == 1:
                    self._tokens.pop((member.node, asker, scope), None)
                    continue
                break
        return _accepted(member, answer)

    async def _token(self, member: Member, asker: Asker, scope: str) -> str:
        key = (member.node, asker, scope)
        now = self.clock().timestamp()
        held = self._tokens.get(key)
        if held is not None and now < held.expires_at - RENEW_SECONDS:
            return held.text
        assertion = self._sign(
            claims_for(self.node, member.token_endpoint, jti=new_id(), now=now, asker=asker)
        )
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        proof = self.prove("POST", member.token_endpoint)
        headers = {"accept": "application/json", "content-type": FORM, "dpop": proof}
        body = str(httpx.QueryParams(form)).encode()
        answer = await self._send(member, "POST", member.token_endpoint, headers, body, TOKEN_BYTES_MAX)
        if answer.status == Throttled.status:
            raise Throttled(f"node {member.node} gave no token: {_description(answer.body)}")
        if answer.status in (400, 401, 403):
            raise AccessRefused(f"node {member.node} gave no token: {_description(answer.body)}")
        if answer.status != 200:
            raise PeerUnavailable(f"node {member.node} answered {answer.status} when asked for a token")
        token = _read_token(member, answer.body, now)
        self._keep(key, token, now)
        return token.text

    def _keep(self, key: tuple[str, Asker, str], token: _Token, now: float) -> None:
        if len(self._tokens) >= TOKENS_MAX:
            self._tokens = {each: held for each, held in self._tokens.items() if held.expires_at > now}
        while len(self._tokens) >= TOKENS_MAX:
            self._tokens.pop(next(iter(self._tokens)))
        self._tokens[key] = token

    async def _send(
        self, member: Member, method: str, url: str, headers: Mapping[str, str], body: bytes, bytes_max: int
    ) -> Answer:
        request = self._client.build_request(
            method, url, headers={"accept-encoding": "identity", **headers}, content=body or None
        )
        try:
            response = await self._client.send(request, stream=True, follow_redirects=False)
            try:
                content = await _read(member, response, bytes_max)
            finally:
                await response.aclose()
        except httpx.TimeoutException as error:
            raise PeerUnavailable(f"node {member.node} did not answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PeerUnavailable(f"node {member.node} cannot be reached") from error
        return Answer(
            response.status_code,
            content,
            response.headers.get("content-type", ""),
            response.headers.get("location", ""),
        )


@asynccontextmanager
async def _deadline(member: Member, deadline_ms: int) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(deadline_ms / 1000):
            yield
    except TimeoutError as error:
        raise PeerUnavailable(f"node {member.node} did not answer within {deadline_ms} ms") from error


async def _read(member: Member, response: httpx.Response, bytes_max: int) -> bytes:
    """Return the body; compressed ones are refused, for a small one may unfold without end."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise PeerUnavailable(f"node {member.node} sent a compressed answer that was not asked for")
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > bytes_max:
            raise PeerUnavailable(f"node {member.node} answered more than {bytes_max} bytes")
    return bytes(content)


def _accepted(member: Member, answer: Answer) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    if answer.status in REFUSALS:
        kind = REFUSALS[answer.status]
        if kind is Conflict:
            kind = CONFLICTS.get(str(_first_issue(answer.body).get("code")), Conflict)
        raise kind(f"node {member.node} refused: {_description(answer.body)}")
    if 300 <= answer.status < 400:
        raise PeerUnavailable(f"node {member.node} answered with a redirect, which is not followed")
    raise PeerUnavailable(f"node {member.node} answered with status {answer.status}")


def _read_token(member: Member, body: bytes, now: float) -> _Token:
    try:
        found = msgspec.json.decode(body)
        text, seconds, kind = found["access_token"], found.get("expires_in", 0), found["token_type"]
        if not (isinstance(text, str) and re.fullmatch(r"[\x21-\x7e]{1,8192}", text)):
            raise ValueError("access_token")
        if str(kind).lower() != "dpop" or not isinstance(seconds, int | float):
            raise ValueError("token_type")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise PeerUnavailable(f"node {member.node} answered no readable token") from error
    return _Token(text, now + min(float(seconds), 3600.0))


def _read_refusal(body: bytes) -> dict[str, Any]:  # Any: JSON of another node
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _first_issue(body: bytes) -> dict[str, Any]:  # Any: as above
    issues = _read_refusal(body).get("issue")
    return issues[0] if isinstance(issues, list) and issues and isinstance(issues[0], dict) else {}


def _description(body: bytes) -> str:
    """Return what the peer says was wrong, shortened; it is shown as text only."""
    found, first = _read_refusal(body), _first_issue(body)
    details = first.get("details")
    texts = (
        first.get("diagnostics"),
        details.get("text") if isinstance(details, dict) else None,
        found.get("error_description"),
        found.get("error"),
    )
    text = next((each for each in texts if isinstance(each, str) and each), NO_REASON)
    return "".join(char for char in text if char.isprintable())[:DIAGNOSTICS_LENGTH_MAX]


def read_json(member: Member, answer: Answer, resource_type: str, limits: Limits) -> dict[str, Any]:
    """Return the answer as a resource of the type, decimals as Decimal.

    Raises:
        PeerUnavailable: it is something else.
    """
    try:
        found = parse_json(answer.body, limits)
    except (MalformedContent, TooLarge) as error:
        raise PeerUnavailable(f"node {member.node} answered something that is not FHIR JSON") from error
    if found.get("resourceType") != resource_type:
        raise PeerUnavailable(f"node {member.node} answered something other than a {resource_type}")
    return found


def path_of(member: Member, link: str) -> str:
    """Return the path of a link that the member sent, below its base address.

    Raises:
        PeerUnavailable: the link leads elsewhere; it is not followed.
    """
    path = link.removeprefix(member.base_url) if link.startswith(member.base_url + "/") else f"/fhir/{link}"
    if not PATH.fullmatch(path) or "/../" in f"{path}/" or "/./" in f"{path}/":
        raise PeerUnavailable(f"node {member.node} sent a link that leads away from it")
    return path
