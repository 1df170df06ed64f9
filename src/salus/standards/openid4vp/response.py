"""The wallet's answer: encrypted, its presentations verified against the query (OpenID4VP 1.0 section 8).

The answer is a JWE of {"vp_token": {credential query id: [presentations]}, "state": ...}. It counts when
every presentation holds, is bound to this request, and together they answer what was asked, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from joserfc.jwk import ECKey

from salus.core.errors import MalformedContent, NotAuthenticated, WalletRefused
from salus.standards.jose.encoding import read_object
from salus.standards.jose.encryption import open_agreed, seal_agreed
from salus.standards.openid4vp.evaluation import unanswered, wanted
from salus.standards.openid4vp.query import SD_JWT, CredentialQuery, Query
from salus.standards.openid4vp.request import ENCRYPTIONS, Request
from salus.standards.sdjwt.credential import Anchors, Credential, Issuers, verify_credential
from salus.standards.sdjwt.presentation import Binding

ANSWER_BYTES_MAX = 1024 * 1024
PRESENTATIONS_MAX = 20


class Answer(msgspec.Struct, frozen=True):
    """A wallet's answer, decrypted, nothing verified: presentations by the id of the query they answer."""

    state: str
    presentations: dict[str, tuple[str, ...]]


def seal_answer(answer: Mapping[str, Sequence[str]], request: Request, *, enc: str = "A256GCM") -> str:
    """Return the answer of a wallet, encrypted to the request's key."""
    key = request.encryption_key
    members = {"vp_token": {name: list(each) for name, each in answer.items()}, "state": request.state}
    return seal_agreed(msgspec.json.encode(members), key, enc=enc, headers={"kid": key["kid"]})


def open_answer(token: str, key: ECKey, *, kid: str) -> Answer:
    """Return what a wallet posted as `response`.

    Args:
        token: compact JWE.
        key: the private key that was made for the request.
        kid: its id in the request.

    Raises:
        NotAuthenticated: it cannot be opened, or is for another request.
        WalletRefused: it holds an error.
        MalformedContent: it is no answer.
    """
    opened = open_agreed(token, key, encryptions=frozenset(ENCRYPTIONS), bytes_max=ANSWER_BYTES_MAX)
    if opened.header.get("kid") != kid:
        raise NotAuthenticated("the answer is encrypted for another request")
    members = read_object(opened.plaintext)
    if "error" in members:
        raise WalletRefused(f"the wallet did not answer ({str(members['error'])[:80]!a})")
    state, found = members.get("state"), members.get("vp_token")
    if not isinstance(state, str) or not isinstance(found, dict):
        raise MalformedContent("the answer must hold state and vp_token")
    if not all(_are_texts(each) for each in found.values()):
        raise MalformedContent("vp_token must hold an array of presentations for each credential query")
    return Answer(state, {name: tuple(each) for name, each in found.items()})


def _are_texts(found: object) -> bool:
    return (
        isinstance(found, list)
        and 0 < len(found) <= PRESENTATIONS_MAX
        and all(isinstance(one, str) for one in found)
    )


def verify_answer(
    answer: Answer,
    request: Request,
    *,
    issuers: Issuers,
    now: float,
    anchors: Anchors | None = None,
    skew_seconds: int = 60,
) -> dict[str, tuple[Credential, ...]]:
    """Return the credentials that answer the request, by the id of their query.

    Whether one was revoked since is not known yet: look at the `status` of each.

    Args:
        answer: as the wallet sent it.
        request: that it answers.
        issuers: who may issue such credentials, with their keys.
        now: the present, in seconds since 1970.
        anchors: of issuers that certificates vouch for, each one's own authorities.
        skew_seconds: tolerated difference of clocks.

    Raises:
        NotAuthenticated: the rule that is broken is named.
    """
    if answer.state != request.state:
        raise NotAuthenticated("the answer is to another request (state)")
    asked = {credential.id: credential for credential in request.query.credentials}
    if not answer.presentations.keys() <= asked.keys():
        raise NotAuthenticated("the answer holds credentials that were not asked for")
    binding = Binding(request.client_id, request.nonce, skew_seconds=skew_seconds)
    found = {
        name: tuple(_verified(text, asked[name], binding, issuers, anchors, now) for text in presentations)
        for name, presentations in answer.presentations.items()
    }
    for name, credentials in found.items():
        if len(credentials) > 1 and not asked[name].multiple:
            raise NotAuthenticated(f"one credential was asked for as {name}, and several came")
    missing = unanswered(request.query, found.keys())
    if missing:
        raise NotAuthenticated(f"the wallet did not show what was asked for: {missing}")
    return found


def _verified(
    text: str,
    asked: CredentialQuery,
    binding: Binding,
    issuers: Issuers,
    anchors: Anchors | None,
    now: float,
) -> Credential:
    if asked.format != SD_JWT:
        raise NotAuthenticated(f"credentials in the format {asked.format[:40]} cannot be verified here")
    credential = verify_credential(
        text,
        issuers=issuers,
        types=asked.types,
        binding=binding if asked.require_cryptographic_holder_binding else None,
        now=now,
        anchors=anchors,
        skew_seconds=binding.skew_seconds,
    )
    if wanted(asked, credential.claims) is None:
        raise NotAuthenticated(f"the credential {asked.id} lacks a claim that was asked for")
    return credential


def answering(query: Query, held: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Return which held credential answers which credential query, as a wallet chooses.

    Args:
        query: what is asked.
        held: the claims of each credential that the wallet has, all disclosed, by a name of its own.

    Returns:
        The name of a held credential by the id of the query: for the first options that can be met.

    Raises:
        MalformedContent: what is held does not answer.
    """
    can = {
        asked.id: next(
            (
                name
                for name, claims in held.items()
                if claims.get("vct") in asked.types and wanted(asked, claims) is not None
            ),
            None,
        )
        for asked in query.credentials
    }
    able = {name: one for name, one in can.items() if one is not None}
    missing = unanswered(query, able.keys())
    if missing:
        raise MalformedContent(f"the wallet cannot answer: {missing}")
    if not query.credential_sets:
        return able
    chosen: dict[str, str] = {}
    for group in query.credential_sets:
        option = next((each for each in group.options if set(each) <= able.keys()), ())
        chosen |= {name: able[name] for name in option}
    return chosen
