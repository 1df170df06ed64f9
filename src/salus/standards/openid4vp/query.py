"""What a verifier asks for, in the Digital Credentials Query Language (OpenID4VP 1.0 section 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from salus.core.errors import MalformedContent

SD_JWT = "dc+sd-jwt"
META = {
    SD_JWT: "vct_values",
    "mso_mdoc": "doctype_value",
    "jwt_vc_json": "type_values",
    "ldp_vc": "type_values",
}
_ID = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
ITEMS_MAX = 100

PathPointer = tuple[str | int | None, ...]
Match = str | int | bool


class ClaimQuery(msgspec.Struct, frozen=True, omit_defaults=True):
    """One claim (section 6.3).

    Args:
        path: names of members, positions in arrays, None for every element of an array (section 7).
        id: by which claim sets name it.
        values: that it may have; () for any.
    """

    path: PathPointer
    id: str = ""
    values: tuple[Match, ...] = ()
    intent_to_retain: bool | None = None


class TrustedAuthority(msgspec.Struct, frozen=True):
    """Whose issuers are accepted (section 6.1.1)."""

    type: str
    values: tuple[str, ...]


class CredentialQuery(msgspec.Struct, frozen=True, omit_defaults=True):
    """One credential (section 6.1).

    Args:
        id: by which the answer and the credential sets name it.
        format: "dc+sd-jwt" is the one that this node verifies.
        meta: what the format wants to know: `vct_values` for SD-JWT credentials.
        claims: to be shown; () for none that may be hidden.
        claim_sets: combinations of claims, the preferred one first; () for all claims.
        multiple: several credentials may answer.
        require_cryptographic_holder_binding: the holder must show that it is theirs.
    """

    id: str
    format: str
    meta: dict[str, Any]
    claims: tuple[ClaimQuery, ...] = ()
    claim_sets: tuple[tuple[str, ...], ...] = ()
    multiple: bool = False
    require_cryptographic_holder_binding: bool = True
    trusted_authorities: tuple[TrustedAuthority, ...] = ()

    @property
    def types(self) -> frozenset[str]:
        """The values of `vct` asked for."""
        return frozenset(self.meta.get("vct_values", ()))


class CredentialSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Combinations of credentials, one of which answers (section 6.2); the preferred one first."""

    options: tuple[tuple[str, ...], ...]
    required: bool = True


class Query(msgspec.Struct, frozen=True, omit_defaults=True):
    """A query: its credentials, and which combinations of them answer it (() for all of them)."""

    credentials: tuple[CredentialQuery, ...]
    credential_sets: tuple[CredentialSet, ...] = ()


def read_query(found: Mapping[str, Any]) -> Query:
    """Return a query from its JSON.

    Raises:
        MalformedContent: a rule of section 6 is broken; the message says which.
    """
    try:
        query = msgspec.convert(found, type=Query)
    except msgspec.ValidationError as error:
        raise MalformedContent(f"the DCQL query cannot be read: {error}") from error
    ids = [credential.id for credential in query.credentials]
    _check_ids(ids, "credentials")
    for credential in query.credentials:
        _check_credential(credential)
    for group in query.credential_sets:
        if not group.options or any(not option or not set(option) <= set(ids) for option in group.options):
            raise MalformedContent("a credential set must have options that name credentials of the query")
    return query


def write_query(query: Query) -> dict[str, Any]:
    """Return the query's JSON; what has its default value is left out."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(query))
    return found


def _check_credential(credential: CredentialQuery) -> None:
    needed = META.get(credential.format)
    if needed is not None and not credential.meta.get(needed):
        raise MalformedContent(f"a query for {credential.format} must say {needed} in meta")
    types = credential.meta.get("vct_values", [])
    if not isinstance(types, list) or not all(isinstance(one, str) for one in types):
        raise MalformedContent("vct_values must be an array of texts")
    if len(credential.claims) > ITEMS_MAX or len(credential.claim_sets) > ITEMS_MAX:
        raise MalformedContent(f"a credential query has at most {ITEMS_MAX} claims and claim sets")
    for claim in credential.claims:
        _check_path(claim.path)
    named = [claim.id for claim in credential.claims if claim.id]
    if credential.claim_sets:
        _check_ids([claim.id for claim in credential.claims], "claims")
    elif len(set(named)) != len(named):
        raise MalformedContent("two claims of the query have one id")
    if any(not option or not set(option) <= set(named) for option in credential.claim_sets):
        raise MalformedContent("a claim set must name claims of its credential query")


def _check_path(path: PathPointer) -> None:
    if not path or len(path) > ITEMS_MAX:
        raise MalformedContent("a claim's path must not be empty")
    if any(isinstance(step, bool) or (isinstance(step, int) and step < 0) for step in path):
        raise MalformedContent("a position in a claim's path must be a number from 0 on")


def _check_ids(ids: list[str], what: str) -> None:
    if not 0 < len(ids) <= ITEMS_MAX or len(set(ids)) != len(ids) or not all(map(_ID.fullmatch, ids)):
        raise MalformedContent(
            f"the {what} of the query must have ids of their own (letters, digits, _ and -)"
        )
