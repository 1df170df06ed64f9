"""What an operator trusts a log-in provider, or an issuer of wallet credentials, to say of a person.

These are the tables of `salus.toml`; docs/login.md explains each.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from salus.core.access import Assurance, Role

Id = Annotated[
    str, msgspec.Meta(pattern="^[a-z0-9]{1,20}$", description="at most 20 lower-case letters and digits")
]
Address = Annotated[str, msgspec.Meta(pattern="^https?://[^?#]+$", description="an address without query")]
ROLES = frozenset({Role.CLINICIAN, Role.PHARMACIST, Role.DESK, Role.AUDITOR, Role.OPERATOR})
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
    """

    claim: str
    roles: dict[str, Role]
    organisation: str


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
