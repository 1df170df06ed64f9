"""What is asked of an EUDI wallet, and who somebody is by what it shows. Pure.

The person is known by the person identification data (PID, Implementing Regulation (EU) 2024/2977) with its
national identifier. Work is shown by an attestation besides, which must be about the same person: held by the
same key, or naming the same number.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import msgspec

from salus.core.access import Assurance
from salus.core.errors import NotAuthenticated
from salus.standards.nationalid.identifiers import normalise
from salus.standards.openid4vp.query import SD_JWT, ClaimQuery, CredentialQuery, Query
from salus.standards.sdjwt.credential import Credential
from salus.trust.login.person import Account, Person, identifiers_of, name_of, work_of
from salus.trust.login.provider import IdentifierClaim, ProfessionalClaims, check_identifiers, check_roles

ID = "wallet"
PID, WORK = "pid", "work"
NAMES = ("given_name", "family_name")
UNREVOCABLE_LIFE = timedelta(hours=24)
"""A credential that nobody can revoke counts only where it ends so soon (HAIP 1.0; ARF, topic 7)."""


Scheme = Annotated[
    str, msgspec.Meta(pattern="^[a-z][a-z0-9+.-]{1,40}$", description="a scheme of addresses, without ://")
]


class WalletIssuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may issue one kind of credential.

    Args:
        issuer: its `iss`, or the name that its certificate gives it.
        name: for people.
        keys_file: its JWK Set, below the node's folder; "" where certificates vouch for its keys.
        anchors_file: certificates (PEM) of the authorities that vouch for it; "" where it has a JWK Set.
        identifiers: claims with national identifiers that it is trusted for.
    """

    issuer: str
    name: str
    keys_file: str = ""
    anchors_file: str = ""
    identifiers: tuple[IdentifierClaim, ...] = ()


class Identification(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Person identification data: types (`vct`) and who issues them."""

    types: tuple[str, ...]
    issuers: tuple[WalletIssuer, ...]


class Profession(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Attestations of work: types (`vct`), who issues them, and their claims."""

    types: tuple[str, ...]
    issuers: tuple[WalletIssuer, ...]
    claims: ProfessionalClaims


class Wallet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How people log in with a wallet.

    Args:
        certificates_file: this node's access certificate and those above it (PEM), below its folder.
        key_file: the private key of the first (PEM).
        identification: person identification data.
        profession: attestations of work; None where nobody logs in to work by a wallet.
        registration_file: the registration certificate (a signed token), below the node's folder; "" without.
        scheme: of addresses that open wallets.
        cross_device: whether a wallet on another device may be used, by a QR code.
    """

    certificates_file: str
    key_file: str
    identification: Identification
    profession: Profession | None = None
    cross_device: bool = True
    registration_file: str = ""
    scheme: Scheme = "openid4vp"


def check_wallet(wallet: Wallet | None) -> None:
    """Return when the table can be used. Raises ProvidersInvalid."""
    if wallet is None:
        return
    for number, each in enumerate(wallet.identification.issuers):
        check_identifiers(each.identifiers, f"wallet.identification.issuers[{number}]")
    if wallet.profession is not None:
        check_roles(wallet.profession.claims, "wallet.profession")
        for number, each in enumerate(wallet.profession.issuers):
            check_identifiers(each.identifiers, f"wallet.profession.issuers[{number}]")


def query_for(wallet: Wallet, *, as_professional: bool) -> Query:
    """Return what is asked of a wallet: name and number, for a professional their work besides."""
    asked = [_asked(PID, wallet.identification.types, NAMES, _claims(wallet.identification.issuers))]
    if as_professional and wallet.profession is not None:
        claims = wallet.profession.claims
        asked.append(
            _asked(
                WORK,
                wallet.profession.types,
                (claims.claim, claims.organisation),
                _claims(wallet.profession.issuers),
            )
        )
    return Query(tuple(asked))


def person_by_wallet(
    wallet: Wallet, shown: dict[str, Credential], *, as_professional: bool, key: bytes
) -> Person:
    """Return whom verified credentials are about.

    Args:
        wallet: the settings.
        shown: credentials by the id of their query, each verified against its own issuers.
        as_professional: whether work was asked for.
        key: the node's secret; an account's subject is a digest of the number under it.

    Raises:
        NotAuthenticated: what is shown names nobody, or two persons.
    """
    pid = shown[PID]
    issuer = _issuer(wallet.identification.issuers, pid)
    identifiers = identifiers_of(issuer.identifiers, pid.claims)
    if not identifiers:
        raise NotAuthenticated("the wallet shows no national identifier that keeps its country's rule")
    system, number = identifiers[0]
    subject = hmac.digest(key, f"wallet\0{system}|{normalise(number)}".encode(), hashlib.sha256).hex()[:32]
    person = Person(
        account=Account(pid.issuer, subject),
        source=ID,
        source_name=issuer.name,
        name=name_of(pid.claims),
        assurance=Assurance.HIGH,
        identifiers=identifiers,
    )
    if not as_professional or wallet.profession is None:
        return person
    work = shown[WORK]
    attester = _issuer(wallet.profession.issuers, work)
    _check_same_person(pid, work, identifiers, identifiers_of(attester.identifiers, work.claims))
    told = work_of(wallet.profession.claims, work.claims)
    return msgspec.structs.replace(
        person, role=told.role, organisation=told.organisation, organisation_id=told.organisation_id
    )


def check_ends(credential: Credential, now: float) -> None:
    """Refuse a credential that nobody could revoke and that does not end soon.

    Raises:
        NotAuthenticated: it has no status, and lives longer than a day.
    """
    if credential.status is not None:
        return
    limit = now + UNREVOCABLE_LIFE.total_seconds()
    if credential.expires_at is None or credential.expires_at > limit:
        raise NotAuthenticated(
            "the credential has no status, and lives longer than a day: nobody could revoke it"
        )


def _check_same_person(
    pid: Credential,
    work: Credential,
    numbers: Sequence[tuple[str, str]],
    named: Sequence[tuple[str, str]],
) -> None:
    """Refuse an attestation about somebody else, or about nobody in particular."""
    theirs = {(system, normalise(number)) for system, number in numbers}
    also = {(system, normalise(number)) for system, number in named}
    is_held = pid.holder is not None and _key(pid.holder) == _key(work.holder or {})
    if also and not also & theirs:
        raise NotAuthenticated("the attestation of work is about another person than the identification")
    if not also and not is_held:
        raise NotAuthenticated("the attestation of work does not show that it is about the same person")


def _key(jwk: dict[str, Any]) -> tuple[object, ...]:
    return tuple(jwk.get(name) for name in ("kty", "crv", "x", "y"))


def _issuer(issuers: Sequence[WalletIssuer], credential: Credential) -> WalletIssuer:
    found = next((each for each in issuers if each.issuer == credential.issuer), None)
    if found is None:
        raise NotAuthenticated("the credential's issuer is not one that this node trusts for it")
    return found


def _claims(issuers: Sequence[WalletIssuer]) -> tuple[str, ...]:
    """Return the claims with numbers that some issuer is trusted for, each once."""
    return tuple(dict.fromkeys(each.claim for issuer in issuers for each in issuer.identifiers))


def _asked(
    query: str, types: Sequence[str], always: Sequence[str], numbers: Sequence[str]
) -> CredentialQuery:
    """Return the query for one credential: all of `always` and one of the numbers."""
    ids = {name: f"claim-{place}" for place, name in enumerate(dict.fromkeys((*always, *numbers)))}
    sets = (
        tuple(tuple(ids[name] for name in dict.fromkeys((*always, number))) for number in numbers)
        if len(numbers) > 1
        else ()
    )
    return CredentialQuery(
        id=query,
        format=SD_JWT,
        meta={"vct_values": list(types)},
        claims=tuple(ClaimQuery(path=(name,), id=own) for name, own in ids.items()),
        claim_sets=sets,
    )
