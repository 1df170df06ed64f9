"""The node as a verifier of wallets: its access certificate and key, and whom it trusts to issue what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates
from joserfc.jwk import ECKey

from salus.core.errors import NotAuthenticated, SettingsInvalid
from salus.standards.jose.keys import Jwk
from salus.standards.jose.signature import COMPACT
from salus.standards.openid.metadata import read_keys
from salus.standards.sdjwt.credential import Anchors, Issuers
from salus.trust.login.wallet import Wallet, WalletIssuer


class Trusted(msgspec.Struct, frozen=True):
    """Who may issue one kind of credential: keys by issuer, and for the others the authorities of each."""

    issuers: Issuers
    anchors: Anchors

    def keys_of(self, issuer: str) -> Sequence[Jwk]:
        """Return the keys of an issuer; none of one that certificates vouch for."""
        return self.issuers.get(issuer, ())

    def anchors_of(self, issuer: str) -> Sequence[Certificate]:
        """Return the authorities that may certify an issuer; none of one whose keys are known."""
        return self.anchors.get(issuer, ())


class Verifier(msgspec.Struct, frozen=True):
    """What the node needs to ask wallets.

    Args:
        wallet: the settings.
        key: private, of the access certificate.
        chain: the access certificate and those above it, without the anchor.
        pid, work: who may issue identification and attestations of work.
        registration: this node's registration certificate, "" without one.
    """

    wallet: Wallet
    key: ECKey
    chain: tuple[Certificate, ...]
    pid: Trusted
    work: Trusted
    registration: str = ""

    @property
    def info(self) -> list[dict[str, str]]:
        """Return what requests say of this node besides (OpenID4VP 1.0 section 5.1, `verifier_info`)."""
        return [{"format": "registration_cert", "data": self.registration}] if self.registration else []


def open_verifier(wallet: Wallet, data: Path) -> Verifier:
    """Return the verifier of the settings, its files read.

    Raises:
        SettingsInvalid: a file cannot be read, or does not hold what it should.
    """
    profession = wallet.profession
    return Verifier(
        wallet=wallet,
        key=_private_key(data / wallet.key_file),
        chain=_certificates(data / wallet.certificates_file),
        pid=_trusted(wallet.identification.issuers, data),
        work=_trusted(profession.issuers if profession else (), data),
        registration=_registration(data / wallet.registration_file) if wallet.registration_file else "",
    )


def _trusted(issuers: Sequence[WalletIssuer], data: Path) -> Trusted:
    keys = {each.issuer: _keys(data / each.keys_file) for each in issuers if each.keys_file}
    anchors = {each.issuer: _certificates(data / each.anchors_file) for each in issuers if each.anchors_file}
    return Trusted(keys, anchors)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsInvalid(f"{path}, which [wallet] names, cannot be read: {error.strerror}") from error


def _registration(path: Path) -> str:
    text = _read(path).decode("ascii", "replace").strip()
    if not COMPACT.fullmatch(text):
        raise SettingsInvalid(f"{path} must hold a registration certificate: one signed token (JWT)")
    return text


def _keys(path: Path) -> list[Jwk]:
    try:
        return read_keys(_read(path))
    except NotAuthenticated as error:
        raise SettingsInvalid(f"{path} must hold a JWK Set") from error


def _certificates(path: Path) -> tuple[Certificate, ...]:
    try:
        return tuple(load_pem_x509_certificates(_read(path)))
    except ValueError as error:
        raise SettingsInvalid(f"{path} must hold certificates in PEM") from error


def _private_key(path: Path) -> ECKey:
    body = _read(path)
    if path.stat().st_mode & 0o077:
        raise SettingsInvalid(f"The key {path} can be read by others; run `chmod 600 {path}`.")
    try:
        key = load_pem_private_key(body, None)
    except (ValueError, TypeError) as error:
        raise SettingsInvalid(f"{path} must hold a private key in PEM, without a password") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise SettingsInvalid(f"{path} must hold an EC key (P-256 or P-384)")
    return ECKey.import_key(key)
