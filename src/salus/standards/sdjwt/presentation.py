"""An SD-JWT as it is sent, and its key binding (RFC 9901 sections 4, 4.3 and 7.3).

It reads issuer-signed JWT, disclosures, key binding JWT or nothing, with a tilde between each two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from joserfc.jwk import ECKey

from salus.core.errors import NotAuthenticated
from salus.standards.jose.compact import claims_of, moment, sign
from salus.standards.jose.keys import Jwk
from salus.standards.jose.signature import check_signature, take_apart
from salus.standards.sdjwt.disclosures import Path, digest_of, process

KEY_BINDING_TYPE = "kb+jwt"
SIGNATURES = frozenset({"ES256", "ES384", "EdDSA"})
SIZE_MAX = 256 * 1024
HEADER_SIZE_MAX = 16 * 1024


class Presentation(msgspec.Struct, frozen=True):
    """The parts of an SD-JWT: what the issuer signed, the disclosures, the key binding JWT or ""."""

    credential: str
    disclosures: tuple[str, ...]
    key_binding: str

    @property
    def bound(self) -> str:
        """The text that the key binding vouches for (section 4.3.1)."""
        return "~".join((self.credential, *self.disclosures, ""))


class Binding(msgspec.Struct, frozen=True):
    """What a key binding must say.

    Args:
        audience: the verifier, exactly as it called itself in its request.
        nonce: of that request.
        seconds_max: how old the binding may be.
        skew_seconds: tolerated difference of clocks.
    """

    audience: str
    nonce: str
    seconds_max: int = 300
    skew_seconds: int = 60


def split(text: str) -> Presentation:
    """Return the parts of an SD-JWT, with or without key binding.

    Raises:
        NotAuthenticated: it is none, or longer than `SIZE_MAX` characters.
    """
    if len(text) > SIZE_MAX or not text.isascii():
        raise NotAuthenticated("the presentation is too long, or not in base64url")
    first, *disclosures = text.split("~")
    if not disclosures or "" in disclosures[:-1]:
        raise NotAuthenticated("the presentation is no SD-JWT: a tilde is missing, or a disclosure is empty")
    return Presentation(first, tuple(disclosures[:-1]), disclosures[-1])


def check_binding(
    presentation: Presentation, claims: Mapping[str, Any], holder: Jwk, binding: Binding, *, now: float
) -> None:
    """Return when the holder's key vouches for exactly this presentation, to us, now.

    Args:
        presentation: as sent.
        claims: those that the issuer signed; they name the digest.
        holder: the public key in the credential's `cnf`.
        binding: what was asked for.
        now: the present, in seconds since 1970.

    Raises:
        NotAuthenticated: the rule that is broken is named.
    """
    if not presentation.key_binding:
        raise NotAuthenticated("the presentation is not bound to its holder's key")
    parts = take_apart(presentation.key_binding)
    if parts.header.get("typ") != KEY_BINDING_TYPE:
        raise NotAuthenticated(f"the key binding's typ must be {KEY_BINDING_TYPE}")
    check_signature(parts, holder, algorithms=SIGNATURES)
    said = claims_of(parts.payload)
    if said.get("nonce") != binding.nonce:
        raise NotAuthenticated("the key binding answers another request (nonce)")
    if said.get("aud") != binding.audience:
        raise NotAuthenticated("the key binding was made for another verifier (aud)")
    made_at = moment(said, "iat")
    if made_at > now + binding.skew_seconds:
        raise NotAuthenticated("the key binding lies in the future (iat); check the clocks")
    if made_at + binding.seconds_max + binding.skew_seconds < now:
        raise NotAuthenticated("the key binding is too old (iat)")
    if said.get("sd_hash") != digest_of(claims)(presentation.bound.encode()):
        raise NotAuthenticated("the key binding vouches for other disclosures (sd_hash)")


def present(
    text: str, paths: frozenset[Path], key: ECKey | None, binding: Binding | None, *, now: float
) -> str:
    """Return what a holder shows of an issued SD-JWT (section 7.2).

    Args:
        text: as issued, with every disclosure.
        paths: of the claims to show, as issued; what lies on the way to one is shown along with it.
        key: the holder's private key.
        binding: the verifier's request; without it, or a key, the presentation is not bound.
        now: the present, in seconds since 1970.
    """
    issued = split(text)
    claims = claims_of(take_apart(issued.credential, size_max=SIZE_MAX).payload)
    places = process(claims, issued.disclosures).places
    shown = tuple(
        disclosure.text
        for place, disclosure in places.items()
        if any(path[: len(place)] == place for path in paths)
    )
    chosen = Presentation(issued.credential, shown, "")
    if key is None or binding is None:
        return chosen.bound
    said = {"iat": int(now), "aud": binding.audience, "nonce": binding.nonce}
    said["sd_hash"] = digest_of(claims)(chosen.bound.encode())
    return chosen.bound + sign(said, key, kid="", typ=KEY_BINDING_TYPE)
