"""From what a provider or a wallet vouches for to who somebody is here. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from salus.core.access import Assurance, Role
from salus.standards.nationalid.identifiers import holds, normalise
from salus.trust.login.provider import IdentifierClaim, ProfessionalClaims, Provider

NAME_LENGTH_MAX = 200
LOGGED_IN = "logged-in"
"""The rule of a log-in that holds, as the audit has it."""
RANKS = {Assurance.LOW: 0, Assurance.SUBSTANTIAL: 1, Assurance.HIGH: 2}

Claims = Mapping[str, Any]  # Any: JSON of a provider


class Account(msgspec.Struct, frozen=True):
    """Somebody at an issuer; no other pair is the same person's for sure."""

    issuer: str
    subject: str


class Person(msgspec.Struct, frozen=True):
    """Who somebody is, as far as an issuer vouches for it.

    Args:
        account: by which they are known again.
        source: id of the provider in the settings.
        source_name: for people.
        name: of the person, for the access log.
        assurance: of this log-in.
        identifiers: national ones, (system, number), each keeping its country's rule.
        role: what they work as here; None for nobody who works here.
        organisation: where, "" where none is said.
        organisation_id: its identifier, "system|value", "" where none is said.
        session: the provider's id of the session, "" where it has none.
    """

    account: Account
    source: str
    source_name: str
    name: str
    assurance: Assurance
    identifiers: tuple[tuple[str, str], ...] = ()
    role: Role | None = None
    organisation: str = ""
    session: str = ""
    organisation_id: str = ""


def person_of(provider: Provider, claims: Claims) -> Person:
    """Return whom verified claims of a provider are about."""
    work = work_of(provider.professional, claims)
    return Person(
        account=Account(provider.issuer, str(claims["sub"])),
        source=provider.id,
        source_name=provider.name,
        name=name_of(claims),
        assurance=assurance_of(provider, claims),
        identifiers=identifiers_of(provider.identifiers, claims),
        role=work.role,
        organisation=work.organisation,
        organisation_id=work.organisation_id,
        session=_shown(claims.get("sid")),
    )


def assurance_of(provider: Provider, claims: Claims) -> Assurance:
    """Return how sure the log-in is: what the settings do not name is low, whatever it calls itself."""
    return provider.assurance.get(_text(claims.get("acr")), Assurance.LOW)


def acr_values(provider: Provider, least: Assurance) -> tuple[str, ...]:
    """Return what to ask of a provider to be at least so sure, the surest first."""
    fitting = [
        (RANKS[level], acr) for acr, level in provider.assurance.items() if acr and is_enough(level, least)
    ]
    return tuple(acr for _, acr in sorted(fitting, key=lambda one: -one[0]))


def is_enough(level: Assurance | None, least: Assurance) -> bool:
    """Return whether a log-in is sure enough; None is for its issuer to answer for."""
    return level is None or RANKS[level] >= RANKS[least]


def identifiers_of(trusted: Sequence[IdentifierClaim], claims: Claims) -> tuple[tuple[str, str], ...]:
    """Return the national identifiers, as they are written, that the settings trust the claims for.

    A number that breaks its country's rule is none: it would find nobody, or somebody else.
    """
    found = []
    for each in trusted:
        text = _text(claims.get(each.claim))
        number = text.removeprefix(each.prefix).strip()
        if text.startswith(each.prefix) and normalise(number) and holds(each.system, number):
            found.append((each.system, number))
    return tuple(found)


class Work(msgspec.Struct, frozen=True):
    """What somebody works as, None for nothing here; where, and the identifier ("system|value") of that."""

    role: Role | None = None
    organisation: str = ""
    organisation_id: str = ""


def work_of(trusted: ProfessionalClaims | None, claims: Claims) -> Work:
    """Return what somebody works as, and where; nobody works without an organisation."""
    if trusted is None:
        return Work()
    said = claims.get(trusted.claim)
    values = said if isinstance(said, list) else [said]
    role = next((trusted.roles[one] for one in values if isinstance(one, str) and one in trusted.roles), None)
    organisation = _shown(claims.get(trusted.organisation))
    if role is None or not organisation:
        return Work()
    number = _shown(claims.get(trusted.organisation_id)) if trusted.organisation_id else ""
    if number and "|" not in number:
        number = f"{trusted.organisation_system}|{number}" if trusted.organisation_system else ""
    return Work(role, organisation, number)


def name_of(claims: Claims) -> str:
    """Return the name of a person, "" where the claims have none."""
    whole = _shown(claims.get("name"))
    parts = (_shown(claims.get("given_name")), _shown(claims.get("family_name")))
    return whole or " ".join(part for part in parts if part)


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _shown(found: object) -> str:
    """Return a text as it may stand in a log and on a page: printable, not too long."""
    return "".join(char for char in _text(found) if char.isprintable())[:NAME_LENGTH_MAX].strip()
