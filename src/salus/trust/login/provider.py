"""What an operator trusts a log-in provider, or an issuer of wallet credentials, to say of a person.

These are the tables of `salus.toml`; docs/login.md explains each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from salus.core.access import Assurance, Role
from salus.core.addresses import is_callable_address
from salus.standards.nationalid.identifiers import identifier_of_system

Id = Annotated[
    str, msgspec.Meta(pattern="^[a-z0-9]{1,20}$", description="at most 20 lower-case letters and digits")
]
Address = Annotated[str, msgspec.Meta(pattern="^https?://[^?#]+$", description="an address without query")]
EMBEDDED_ID, EMBEDDED_PATH = "test", "/provider"
"""Of the provider that a demonstration brings along; it is never one of the settings."""
ROLES = frozenset({Role.CLINICIAN, Role.PHARMACIST, Role.EMERGENCY, Role.DESK, Role.AUDITOR, Role.OPERATOR})
"""What a provider may vouch for besides a citizen."""


class IdentifierClaim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A claim that carries a national identifier, which the issuer is trusted to have checked.

    Args:
        claim: its name.
        system: FHIR system of the identifier, one of `standards/nationalid/identifiers.toml`.
        prefix: what stands before the number in the claim; without it the claim says nothing.
    """

    claim: str
    system: str
    prefix: str = ""


class ProfessionalClaims(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Claims that say what somebody works as, and where.

    Args:
        claim: whose value, or one of whose values, names the work.
        roles: role on this node by that value.
        organisation: claim with the name of the organisation.
        organisation_id: claim with its identifier, "" without one: the value alone, or "system|value".
        organisation_system: FHIR system of a value alone; without it, a value alone says nothing.
    """

    claim: str
    roles: dict[str, Role]
    organisation: str
    organisation_id: str = ""
    organisation_system: str = ""


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An OpenID Connect provider.

    Args:
        id: in addresses and subjects; must never change.
        name: on the button.
        issuer: exactly as its metadata spell it.
        client_id: of this node there.
        secret_file: below the node's folder; "" to sign with the node's own key (private_key_jwt).
        scopes: to ask for.
        assurance: level by `acr`; "" stands for a token without one. What is not listed is low.
        identifiers: claims with national identifiers that bind an account to a record.
        professional: claims about work; None where it vouches for no professional.
        userinfo: whether claims are also asked for at its userinfo endpoint.
    """

    id: Id
    name: str
    issuer: Address
    client_id: str
    secret_file: str = ""
    scopes: tuple[str, ...] = ("openid",)
    assurance: dict[str, Assurance] = {}
    identifiers: tuple[IdentifierClaim, ...] = ()
    professional: ProfessionalClaims | None = None
    userinfo: bool = False


class ProvidersInvalid(ValueError):
    """The tables of log-in providers contradict each other or say what cannot be."""


def check_providers(providers: Sequence[Provider], *, base_url: str) -> None:
    """Return when the providers can be used together.

    Args:
        providers: as the settings have them.
        base_url: of this node.

    Raises:
        ProvidersInvalid: naming the table, the key and what is allowed.
    """
    ids = [each.id for each in providers]
    for number, each in enumerate(providers):
        place = f"login[{number}]"
        if each.id == EMBEDDED_ID or ids.count(each.id) > 1:
            raise ProvidersInvalid(f"{place}.id: {each.id} is taken; each provider has an id of its own")
        if each.issuer.rstrip("/") == f"{base_url}{EMBEDDED_PATH}":
            raise ProvidersInvalid(
                f"{place}.issuer: this is the embedded provider of a demonstration, which lets anybody in; "
                "a node with demo = true has it without a table, and no other node has it"
            )
        if not is_callable_address(each.issuer.rstrip("/")):
            raise ProvidersInvalid(f"{place}.issuer: {each.issuer} is not allowed; it is an https address")
        if "openid" not in each.scopes:
            raise ProvidersInvalid(f'{place}.scopes: "openid" must be among them')
        check_identifiers(each.identifiers, place)
        check_roles(each.professional, place)


def check_identifiers(identifiers: Sequence[IdentifierClaim], place: str) -> None:
    """Refuse a claim for a number whose country's rule is not known. Raises ProvidersInvalid."""
    for each in identifiers:
        if identifier_of_system(each.system) is None:
            raise ProvidersInvalid(
                f"{place}.identifiers: {each.system} is no national identifier that this node can check; "
                "docs/login.md says where they are listed"
            )


def check_roles(professional: ProfessionalClaims | None, place: str) -> None:
    """Refuse a role that nobody logs in with. Raises ProvidersInvalid."""
    wrong = sorted(set(professional.roles.values()) - ROLES) if professional else []
    if wrong:
        raise ProvidersInvalid(
            f"{place}.professional.roles: {wrong[0]} is not allowed; allowed are {', '.join(sorted(ROLES))}"
        )
