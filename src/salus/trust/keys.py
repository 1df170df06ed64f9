"""The node's keys, in files that nobody but the node's account may read.

ES384 signs what goes to other nodes (EU Health Data API guide), ES256 the node's own access tokens (it is
verified six times faster), Ed25519 the ledger's checkpoints (C2SP signed-note). 32 random bytes key
the hashes of search values, another 32 the pseudonyms of persons in the ledger, so that they mean nothing
outside this node.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from salus.core.errors import SettingsInvalid

_SECRET_BYTES = 32


class NodeKeys(msgspec.Struct, frozen=True):
    """The private keys of a node.

    Args:
        federation: ES384 (P-384), signs client assertions and the membership list.
        token: ES256 (P-256), signs access tokens.
        ledger: Ed25519, signs checkpoints.
        search: keys the hashes of search values; changing it means indexing everything again.
        pseudonym: keys the names of persons in the ledger; it is never changed, for their chains would break.
        audit: seal the ledger's records, the newest first; older ones open what they sealed.
    """

    federation: ECKey
    token: ECKey
    ledger: OKPKey
    search: bytes
    pseudonym: bytes
    audit: tuple[bytes, ...]


def make_keys(folder: Path) -> NodeKeys:
    """Create under `folder` the keys that are not there yet, and return all. Two makers at once agree."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_new(folder / "federation.jwk", _jwk_bytes(ECKey.generate_key("P-384", auto_kid=True)))
    _write_new(folder / "token.jwk", _jwk_bytes(ECKey.generate_key("P-256", auto_kid=True)))
    _write_new(folder / "ledger.jwk", _jwk_bytes(OKPKey.generate_key("Ed25519", auto_kid=True)))
    _write_new(folder / "search.key", secrets.token_bytes(_SECRET_BYTES))
    return load_keys(folder)


def load_keys(folder: Path) -> NodeKeys:
    """Return the node's keys.

    A node made before the ledger had pseudonyms and seals gets their keys here; the ledger tells others.

    Raises:
        SettingsInvalid: one is missing, unreadable, of the wrong kind or readable by others.
    """
    search = read_secret(folder / "search.key")
    for name in ("pseudonym.key", "audit.key"):
        add_secret(folder / name)
    return NodeKeys(
        federation=_ec_key(folder / "federation.jwk", "P-384"),
        token=_ec_key(folder / "token.jwk", "P-256"),
        ledger=_okp_key(folder / "ledger.jwk"),
        search=search,
        pseudonym=read_secret(folder / "pseudonym.key"),
        audit=_secrets(folder / "audit.key"),
    )


def database_password(folder: Path) -> str:
    """Return the password of the node's login at a database by URL; it is made when it is first asked for.

    Raises:
        SettingsInvalid: it cannot be made, read, or is readable by others.
    """
    path = folder / "database.key"
    add_secret(path)
    return read_secret(path).hex()


def public_jwks(keys: NodeKeys) -> dict[str, Any]:  # Any: JWK members (RFC 7517)
    """Return the JWK Set that other nodes verify this node with."""
    members = ((keys.federation, "ES384"), (keys.token, "ES256"), (keys.ledger, "EdDSA"))
    return {
        "keys": [{**key.as_dict(private=False), "use": "sig", "alg": algorithm} for key, algorithm in members]
    }


def derived_witness_key(ledger: Ed25519PrivateKey) -> Ed25519PrivateKey:
    """Return the key that cosigns other nodes' checkpoints, derived from that of the own ones.

    C2SP tlog-cosignature wants another key than the log's; derived, there is no further file to keep.
    """
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"salus/witness/v1")
    return Ed25519PrivateKey.from_private_bytes(derive.derive(ledger.private_bytes_raw()))


def _jwk_bytes(key: ECKey | OKPKey) -> bytes:
    return msgspec.json.encode(key.as_dict(private=True))


def _write_new(path: Path, content: bytes) -> None:
    """Write the file unless it exists; it appears whole or not at all."""
    if path.exists():
        return
    making = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(making, path)
        except FileExistsError:
            return
    finally:
        making.unlink()


def read_private(path: Path) -> bytes:
    """Return a file that nobody but the node's account may read.

    Raises:
        SettingsInvalid: it cannot be read, or others can read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        content = path.read_bytes()
    except OSError as error:
        raise SettingsInvalid(
            f"The key {path} cannot be read ({error.strerror}); run `salus node init`, or restore it."
        ) from error
    if mode & 0o077:
        raise SettingsInvalid(f"The key {path} can be read by others; run `chmod 600 {path}`.")
    return content


def add_secret(path: Path) -> None:
    """Make a file with 32 random bytes unless it is there.

    Raises:
        SettingsInvalid: it cannot be made.
    """
    try:
        _write_new(path, secrets.token_bytes(_SECRET_BYTES))
    except OSError as error:
        raise SettingsInvalid(
            f"The key {path} is missing and cannot be made ({error.strerror}); restore it, or let the node's "
            "account write to the folder once."
        ) from error


def read_secret(path: Path) -> bytes:
    """Return the 32 bytes of a file.

    Raises:
        SettingsInvalid: it cannot be read, is of another length, or is readable by others.
    """
    content = read_private(path)
    if len(content) != _SECRET_BYTES:
        raise SettingsInvalid(f"{path} must hold {_SECRET_BYTES} bytes; restore it from a backup.")
    return content


def _secrets(path: Path) -> tuple[bytes, ...]:
    content = read_private(path)
    if not content or len(content) % _SECRET_BYTES:
        raise SettingsInvalid(f"{path} must hold {_SECRET_BYTES} bytes a key; restore it from a backup.")
    return tuple(content[at : at + _SECRET_BYTES] for at in range(0, len(content), _SECRET_BYTES))


class _Jwk(msgspec.Struct, frozen=True):
    """What every private key here has (RFC 7518 section 6.2, RFC 8037); `y` is an EC key's."""

    kty: str
    crv: str
    x: str
    d: str
    kid: str
    y: str = ""


def _ec_key(path: Path, curve: str) -> ECKey:
    members = _members(path, "EC", curve)
    try:
        return ECKey.import_key(members)
    except (JoseError, ValueError) as error:
        raise _unusable(path, curve) from error


def _okp_key(path: Path) -> OKPKey:
    members = _members(path, "OKP", "Ed25519")
    try:
        return OKPKey.import_key(members)
    except (JoseError, ValueError) as error:
        raise _unusable(path, "Ed25519") from error


def _members(path: Path, kind: str, curve: str) -> dict[str, str | list[str]]:
    try:
        members = msgspec.json.decode(read_private(path), type=_Jwk)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise _unusable(path, curve) from error
    if (members.kty, members.crv) != (kind, curve):
        raise _unusable(path, curve)
    present = msgspec.structs.asdict(members)
    return {name: value for name, value in present.items() if value}


def _unusable(path: Path, curve: str) -> SettingsInvalid:
    return SettingsInvalid(f"{path} must hold a private {curve} key; restore it from a backup.")
