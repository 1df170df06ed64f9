"""The authorities of a demonstration's wallets: who registers verifiers, who issues, where revocations are.

All keys are derived from the node's secret and all certificates signed by Ed25519: every process of the node
makes the same bytes.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey

from salus.standards.nationalid.identifiers import national_identifiers
from salus.trust.login.provider import IdentifierClaim, ProfessionalClaims
from salus.trust.login.wallet import Identification, Profession, Wallet, WalletIssuer
from salus.web.login.verifier import Trusted, Verifier
from salus.web.provider.terms import PREFIX, WORK
from salus.web.provider.tokens import derived_key
from salus.web.services import Services

PID_TYPE, WORK_TYPE = "urn:eudi:pid:1", "urn:salus:demonstration:health-professional:1"
_FROM, _UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)


class Authority(msgspec.Struct, frozen=True):
    """What the test wallet and its issuers work with.

    Args:
        verifier: this node, as registered.
        anchor: certificate of the register of verifiers, which the test wallet trusts.
        pid, work: keys of the issuers.
        pid_issuer, work_issuer: their names.
        statuses: address of their status lists, "/pid" and "/work" below it.
    """

    verifier: Verifier
    anchor: x509.Certificate
    pid: ECKey
    work: ECKey
    pid_issuer: str
    work_issuer: str
    statuses: str


def open_authority(services: Services) -> Authority:
    """Return the authorities of a demonstration node."""
    base, keys = f"{services.base_url}{PREFIX}", services.keys
    pid, work, own = (derived_key(keys, name) for name in ("pid", "work", "verifier"))
    register = Ed25519PrivateKey.from_private_bytes(
        hmac.digest(keys.search, b"salus test register", "sha256")
    )
    anchor = _certificate("Test register", register, "Test register", register.public_key(), is_ca=True)
    host = urlsplit(base).hostname or "localhost"
    leaf = _certificate(host, register, "Test register", own.public_key, is_ca=False)
    pid_issuer, work_issuer = f"{base}/pid", f"{base}/register"
    return Authority(
        verifier=Verifier(
            wallet=_wallet(services.country, pid_issuer, work_issuer),
            key=own,
            chain=(leaf,),
            pid=Trusted({pid_issuer: [_public(pid)]}, {}),
            work=Trusted({work_issuer: [_public(work)]}, {}),
        ),
        anchor=anchor,
        pid=pid,
        work=work,
        pid_issuer=pid_issuer,
        work_issuer=work_issuer,
        statuses=f"{base}/statuses",
    )


def numbers_of(country: str) -> tuple[IdentifierClaim, ...]:
    """Return the claims with numbers of a country that test wallets hold."""
    rows = [row for row in national_identifiers() if row.country == country]
    return tuple(IdentifierClaim(claim=row.system, system=row.system) for row in rows)


def _wallet(country: str, pid_issuer: str, work_issuer: str) -> Wallet:
    numbers = numbers_of(country)
    claims = ProfessionalClaims(
        claim="role", roles=WORK, organisation="organisation", organisation_id="organisation_id"
    )
    return Wallet(
        certificates_file="",
        key_file="",
        identification=Identification(
            types=(PID_TYPE,),
            issuers=(WalletIssuer(issuer=pid_issuer, name="Test wallet", identifiers=numbers),),
        ),
        profession=Profession(
            types=(WORK_TYPE,),
            issuers=(WalletIssuer(issuer=work_issuer, name="Test register of health professionals"),),
            claims=claims,
        ),
    )


def _public(key: ECKey) -> dict[str, object]:
    return {**key.as_dict(private=False), "kid": key.thumbprint()}


def _certificate(
    name: str, signer: Ed25519PrivateKey, issuer: str, key: object, *, is_ca: bool
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key)  # type: ignore[arg-type]  # of one of the kinds that cryptography knows
        .serial_number(1 if is_ca else 2)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), critical=False)
    )
    return made.sign(signer, None)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
