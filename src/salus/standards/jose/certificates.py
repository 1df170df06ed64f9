"""Keys vouched for by certificates in a token's header (`x5c`, RFC 7515 section 4.1.6; HAIP 1.0 section 6.1).

A chain of two or three certificates is checked as RFC 5280 section 6 wants for such short ones: signatures,
validity, who may sign certificates. The trust anchor comes from the caller and is never in the token.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    BasicConstraints,
    Certificate,
    DNSName,
    ExtensionNotFound,
    KeyUsage,
    SubjectAlternativeName,
    UniformResourceIdentifier,
    load_der_x509_certificate,
)
from joserfc.jwk import ECKey

from salus.core.errors import NotAuthenticated
from salus.standards.jose.encoding import encode

CERTIFICATES_MAX = 4
_UNDERSTOOD = frozenset({BasicConstraints.oid, KeyUsage.oid})


def certified_key(
    found: object, *, anchors: Sequence[Certificate], now: float
) -> tuple[dict[str, Any], Certificate]:
    """Return the key that the first certificate vouches for, as a JWK, and that certificate.

    Args:
        found: the header's `x5c`: DER in base64, the signer's certificate first.
        anchors: certificates of the authorities that the caller trusts.
        now: the present, in seconds since 1970.

    Raises:
        NotAuthenticated: the chain does not lead to an anchor, or breaks a rule on the way.
    """
    chain = _read_chain(found)
    moment = datetime.fromtimestamp(now, UTC)
    for certificate in chain:
        _check_certificate(certificate, moment)
    for above, (certificate, issuer) in enumerate(pairwise(chain)):
        _check_issued(certificate, issuer, above)
    if chain[-1] in anchors or chain[0].issuer == chain[0].subject:
        raise NotAuthenticated("the certificates must not hold the trust anchor, or one that signed itself")
    for anchor in anchors:
        if anchor.subject == chain[-1].issuer:
            _check_certificate(anchor, moment)
            _check_issued(chain[-1], anchor, len(chain) - 1)
            return _jwk(chain[0]), chain[0]
    raise NotAuthenticated("the certificates lead to no authority that is trusted")


def first_certificate(found: object) -> Certificate:
    """Return the signer's certificate of an `x5c`, which nobody has vouched for yet (`certified_key`)."""
    return _read_chain(found)[0]


def write_chain(chain: Sequence[Certificate]) -> list[str]:
    """Return the value of `x5c`."""
    return [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in chain]


def fingerprint(certificate: Certificate) -> str:
    """Return the SHA-256 of a certificate in base64url."""
    return encode(certificate.fingerprint(hashes.SHA256()))


def names_of(certificate: Certificate) -> tuple[str, ...]:
    """Return the addresses that a certificate is for: its URIs, then "https://" and each of its DNS names."""
    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return ()
    hosts = names.get_values_for_type(DNSName)
    return (*names.get_values_for_type(UniformResourceIdentifier), *(f"https://{host}" for host in hosts))


def _read_chain(found: object) -> list[Certificate]:
    if not isinstance(found, list) or not 0 < len(found) <= CERTIFICATES_MAX:
        raise NotAuthenticated(f"x5c must hold 1 to {CERTIFICATES_MAX} certificates")
    try:
        return [load_der_x509_certificate(base64.b64decode(str(one), validate=True)) for one in found]
    except (binascii.Error, ValueError) as error:
        raise NotAuthenticated("a certificate in x5c cannot be read") from error


def _check_certificate(certificate: Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise NotAuthenticated("a certificate is not valid now")
    if any(one.critical and one.oid not in _UNDERSTOOD for one in certificate.extensions):
        raise NotAuthenticated("a certificate has a critical extension that is not understood")


def _check_issued(certificate: Certificate, issuer: Certificate, between: int) -> None:
    """Refuse a certificate that its issuer did not or may not issue, `between` others below it."""
    try:
        constraints = issuer.extensions.get_extension_for_class(BasicConstraints).value
        usage = issuer.extensions.get_extension_for_class(KeyUsage).value
        certificate.verify_directly_issued_by(issuer)
    except (ExtensionNotFound, InvalidSignature, ValueError, TypeError) as error:
        raise NotAuthenticated("a certificate was not issued by the one above it") from error
    is_too_long = constraints.path_length is not None and constraints.path_length < between
    if not constraints.ca or not usage.key_cert_sign or is_too_long:
        raise NotAuthenticated("a certificate was issued by one that may not issue any")


def _jwk(certificate: Certificate) -> dict[str, Any]:
    key = certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise NotAuthenticated("the certificate's key must be an EC key")
    return dict(ECKey.import_key(key).as_dict(private=False))
