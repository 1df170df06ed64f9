"""Disclosures of an SD-JWT and the claims that they make whole (RFC 9901 sections 4.2 and 7.1).

A digest stands for a claim in the array `_sd` of its object, or, as {"...": digest}, for an element of an
array.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.jose.encoding import decode, encode, read_json

DIGESTS = {"sha-256": hashlib.sha256, "sha-384": hashlib.sha384, "sha-512": hashlib.sha512}
DIGEST_DEFAULT = "sha-256"
RESERVED = frozenset({"_sd", "..."})
DISCLOSURES_MAX = 1_000
DEPTH_MAX = 32

Path = tuple[str | int, ...]
Digest = Callable[[bytes], str]


class Disclosure(msgspec.Struct, frozen=True):
    """One disclosure.

    Args:
        text: as it was sent, in base64url.
        digest: of the text, in base64url.
        name: of the claim; None for an element of an array.
        content: the value, which may hold digests itself.
    """

    text: str
    digest: str
    name: str | None
    content: Any  # Any: a JSON value


class Processed(msgspec.Struct, frozen=True):
    """The claims with their disclosures filled in.

    Args:
        claims: without `_sd`, `_sd_alg` and digests of what was not disclosed.
        places: of each disclosure, its path in the claims as issued (an array counts hidden elements).
    """

    claims: dict[str, Any]
    places: dict[Path, Disclosure]


def digest_of(claims: Mapping[str, Any]) -> Digest:
    """Return the digest function that the claims name (`_sd_alg`).

    Raises:
        NotAuthenticated: it is none of SHA-256, SHA-384, SHA-512.
    """
    name = claims.get("_sd_alg", DIGEST_DEFAULT)
    if not isinstance(name, str) or name not in DIGESTS:
        raise NotAuthenticated("_sd_alg must be sha-256, sha-384 or sha-512")
    hashing = DIGESTS[name]
    return lambda body: encode(hashing(body).digest())


def read_disclosure(text: str, digest: Digest) -> Disclosure:
    """Return the disclosure.

    Raises:
        NotAuthenticated: it is no JSON array [salt, name, value] or [salt, value], or its name is reserved.
    """
    try:
        found = read_json(decode(text))
    except MalformedContent as error:
        raise NotAuthenticated(f"a disclosure cannot be read: {error.message}") from error
    if not isinstance(found, list) or len(found) not in (2, 3) or not isinstance(found[0], str):
        raise NotAuthenticated("a disclosure must be an array of salt, name and value, or of salt and value")
    name = found[1] if len(found) == 3 else None
    if len(found) == 3 and (not isinstance(name, str) or name in RESERVED):
        raise NotAuthenticated("a disclosure must not name a claim _sd or ...")
    return Disclosure(text, digest(text.encode("ascii")), name, found[-1])


def process(claims: Mapping[str, Any], disclosures: Sequence[str]) -> Processed:
    """Return the claims with the disclosures in their places.

    Args:
        claims: as the issuer signed them.
        disclosures: as sent, in base64url.

    Raises:
        NotAuthenticated: a disclosure is malformed, repeated, of no digest in the claims, of the wrong form
            for its place or of a name that is there already; or a digest occurs twice.
    """
    if len(disclosures) > DISCLOSURES_MAX:
        raise NotAuthenticated(f"there are more than {DISCLOSURES_MAX} disclosures")
    digest = digest_of(claims)
    read = [read_disclosure(text, digest) for text in disclosures]
    by_digest = {one.digest: one for one in read}
    if len(by_digest) != len(read):
        raise NotAuthenticated("a disclosure is there twice")
    filling = _Filling(by_digest)
    whole = filling.members(claims, ())
    if len(filling.places) != len(read):
        raise NotAuthenticated("a disclosure belongs to no digest of the credential")
    whole.pop("_sd_alg", None)
    return Processed(whole, filling.places)


class _Filling:
    """One walk through the claims: what was met, and where."""

    def __init__(self, by_digest: Mapping[str, Disclosure]) -> None:
        self.by_digest = by_digest
        self.met: set[str] = set()
        self.places: dict[Path, Disclosure] = {}

    def value(self, found: Any, path: Path) -> Any:
        if len(path) > DEPTH_MAX:
            raise NotAuthenticated(f"the claims are nested deeper than {DEPTH_MAX}")
        if isinstance(found, dict):
            return self.members(found, path)
        return self.elements(found, path) if isinstance(found, list) else found

    def members(self, found: Mapping[str, Any], path: Path) -> dict[str, Any]:
        if "..." in found:
            raise NotAuthenticated("a member is called ... where no digest may stand")
        whole = {name: self.value(one, (*path, name)) for name, one in found.items() if name != "_sd"}
        digests = found.get("_sd", [])
        if not isinstance(digests, list):
            raise NotAuthenticated("_sd must be an array of digests")
        for digest in digests:
            disclosure = self.meet(digest)
            if disclosure is None:
                continue
            if disclosure.name is None:
                raise NotAuthenticated("a disclosure for an array stands for a member of an object")
            if disclosure.name in whole:
                raise NotAuthenticated("a disclosed claim is there already")
            place = (*path, disclosure.name)
            self.places[place] = disclosure
            whole[disclosure.name] = self.value(disclosure.content, place)
        return whole

    def elements(self, found: list[Any], path: Path) -> list[Any]:
        whole = []
        for position, one in enumerate(found):
            place = (*path, position)
            if not isinstance(one, dict) or "..." not in one:
                whole.append(self.value(one, place))
                continue
            if len(one) != 1:
                raise NotAuthenticated("beside the digest of an array's element stands another member")
            disclosure = self.meet(one["..."])
            if disclosure is None:
                continue
            if disclosure.name is not None:
                raise NotAuthenticated("a disclosure for an object stands for an element of an array")
            self.places[place] = disclosure
            whole.append(self.value(disclosure.content, place))
        return whole

    def meet(self, digest: object) -> Disclosure | None:
        if not isinstance(digest, str):
            raise NotAuthenticated("a digest must be a text")
        if digest in self.met:
            raise NotAuthenticated("a digest is in the credential twice")
        self.met.add(digest)
        return self.by_digest.get(digest)
