"""The test wallet of a demonstration: it reads a request, and shows what a test person chose to show.

It is a holder like any other: it trusts the register of verifiers, checks the signed request, chooses
credentials by the query, binds them to the request and encrypts the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any

import msgspec
from joserfc.jwk import ECKey

from salus.core.access import Assurance, Role
from salus.core.errors import MalformedContent
from salus.intake.synth.person import make_number
from salus.standards.nationalid.identifiers import national_identifiers
from salus.standards.openid4vp.request import Request, read_request
from salus.standards.openid4vp.response import answering, seal_answer
from salus.standards.sdjwt.issuing import Hidden, issue
from salus.standards.sdjwt.presentation import Binding, present
from salus.trust.login.wallet import WORK
from salus.web.portal.personas import personas
from salus.web.provider.authority import PID_TYPE, WORK_TYPE, Authority
from salus.web.provider.people import claims_of
from salus.web.services import Services

LIFE = timedelta(days=30)

Claims = dict[str, Any]  # Any: JSON


class Held(msgspec.Struct, frozen=True):
    """A credential in the wallet: as issued, its claims all disclosed, its holder's key."""

    text: str
    claims: Claims
    key: ECKey


def read(services: Services, authority: Authority, client_id: str, token: str) -> Request:
    """Return what a verifier asks, once it is known to be registered.

    Raises:
        NotAuthenticated, MalformedContent: it is not, or asks for what HAIP does not allow.
    """
    now = services.clock().timestamp()
    return read_request(token, client_id=client_id, anchors=[authority.anchor], now=now)


def is_for_work(request: Request) -> bool:
    """Return whether the verifier asks what somebody works as."""
    return any(each.id == WORK for each in request.query.credentials)


async def held_by(services: Services, authority: Authority, persona: str, identifier: str) -> dict[str, Held]:
    """Return the credentials of a test person, issued just now.

    Raises:
        Unknown: nobody, or not one person, has the identifier.
    """
    found = await claims_of(services, persona, Assurance.HIGH, identifier)
    given, _, family = str(found["name"]).rpartition(" ")
    numbers = {name: one for name, one in found.items() if name in _systems()}
    if persona != Role.CITIZEN:
        numbers = _numbers(services.country, persona)
    key = ECKey.generate_key("P-256")
    held = {
        "pid": _issued(
            services, authority.pid, f"{authority.statuses}/pid", key,
            {"iss": authority.pid_issuer, "vct": PID_TYPE},
            {"given_name": given or family, "family_name": family, **numbers},
        )
    }  # fmt: skip
    work = personas(services.country).get(persona)
    if work is not None:
        held["work"] = _issued(
            services, authority.work, f"{authority.statuses}/work", key,
            {"iss": authority.work_issuer, "vct": WORK_TYPE},
            {"role": persona, "organisation": work.organisation, "organisation_id": work.identifier},
        )  # fmt: skip
    return held


def answer(services: Services, request: Request, held: Mapping[str, Held]) -> str:
    """Return the encrypted answer.

    Raises:
        MalformedContent: what is held does not answer.
    """
    now = services.clock().timestamp()
    binding = Binding(request.client_id, request.nonce)
    chosen = answering(request.query, {name: each.claims for name, each in held.items()})
    asked = {each.id: each for each in request.query.credentials}
    shown = {}
    for query, name in chosen.items():
        one = held[name]
        paths = frozenset(
            (str(claim.path[0]),) for claim in asked[query].claims if claim.path[0] in one.claims
        )
        shown[query] = [present(one.text, paths, one.key, binding, now=now)]
    return seal_answer(shown, request)


def login_of(services: Services, address: str, page: str) -> str:
    """Return which log-in an address of this node is about; the test wallet speaks to no other verifier.

    Raises:
        MalformedContent: it is another's.
    """
    start = f"{services.base_url}/wallet/{page}/"
    login = address.removeprefix(start)
    if not address.startswith(start) or not login or "/" in login:
        raise MalformedContent("The test wallet answers this node only; open it from the log-in page.")
    return login


def _issued(
    services: Services, signer: ECKey, statuses: str, holder: ECKey, plain: Claims, hidden: Claims
) -> Held:
    now = services.clock()
    status = {"status_list": {"uri": statuses, "idx": 0}}
    claims = plain | {"iat": int(now.timestamp()), "exp": int((now + LIFE).timestamp()), "status": status}
    text = issue(
        claims | {name: Hidden(one) for name, one in hidden.items()},
        signer,
        kid=signer.thumbprint(),
        salts=_salts(),
        holder=holder.as_dict(private=False),
    )
    return Held(text, claims | hidden, holder)


def _salts() -> Iterator[str]:
    while True:
        yield secrets.token_urlsafe(16)


def _systems() -> frozenset[str]:
    return frozenset(row.system for row in national_identifiers())


def _numbers(country: str, persona: str) -> Claims:
    """Return invented numbers for a test professional, the same each time."""
    random = Random(f"{country} {persona}")  # noqa: S311  a test person's number is no secret
    rows = [row for row in national_identifiers() if row.country == country]
    return {row.system: make_number(row, date(1980, 1, 1), "female", random) for row in rows}
