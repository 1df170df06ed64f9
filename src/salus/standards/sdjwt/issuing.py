"""Issuing an SD-JWT (RFC 9901 section 4.2; section 7.1 of draft-ietf-oauth-sd-jwt-vc for credentials).

The node issues none in earnest: this is the issuer of demo wallets and of tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from cryptography.x509 import Certificate
from joserfc.jwk import ECKey

from salus.standards.jose.certificates import write_chain
from salus.standards.jose.compact import sign
from salus.standards.jose.encoding import encode
from salus.standards.sdjwt.credential import TYPE
from salus.standards.sdjwt.disclosures import DIGEST_DEFAULT, digest_of


class Hidden(NamedTuple):
    """Marks a member's value or an array's element as shown only when its holder wants."""

    content: Any  # Any: a JSON value, which may hold marks itself


def issue(
    claims: Mapping[str, Any],
    key: ECKey,
    *,
    kid: str,
    salts: Iterator[str],
    holder: Mapping[str, Any] | None = None,
    typ: str = TYPE,
    chain: Sequence[Certificate] = (),
) -> str:
    """Return the claims as a signed SD-JWT with all its disclosures, not bound.

    Args:
        claims: with marks (`Hidden`) on what may be hidden.
        key: the issuer's private key.
        kid: its id.
        salts: fresh random texts of at least 128 bits, one for each mark.
        holder: public key of the holder, for `cnf`.
        typ: of the header.
        chain: certificates of the key (`x5c`), the issuer's own first, without the anchor's.
    """
    disclosures: list[str] = []
    signed = _hide(claims, salts, disclosures)
    signed |= {"_sd_alg": DIGEST_DEFAULT}
    if holder is not None:
        signed |= {"cnf": {"jwk": dict(holder)}}
    headers = {"x5c": write_chain(chain)} if chain else {}
    return "~".join([sign(signed, key, kid=kid, typ=typ, headers=headers), *disclosures, ""])


def _hide(found: Any, salts: Iterator[str], disclosures: list[str]) -> Any:
    if isinstance(found, Mapping):
        plain = {
            name: _hide(one, salts, disclosures) for name, one in found.items() if not isinstance(one, Hidden)
        }
        digests = [
            _disclose([next(salts), name, _hide(one.content, salts, disclosures)], disclosures)
            for name, one in found.items()
            if isinstance(one, Hidden)
        ]
        return plain | {"_sd": sorted(digests)} if digests else plain
    if isinstance(found, list):
        return [
            {"...": _disclose([next(salts), _hide(one.content, salts, disclosures)], disclosures)}
            if isinstance(one, Hidden)
            else _hide(one, salts, disclosures)
            for one in found
        ]
    return found


def _disclose(content: list[Any], disclosures: list[str]) -> str:
    text = encode(msgspec.json.encode(content))
    disclosures.append(text)
    return digest_of({})(text.encode())
