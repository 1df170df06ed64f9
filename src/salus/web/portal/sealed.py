"""What the node leaves in a browser and takes back only as it left it: a signed value for a cookie."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TypeVar

import msgspec

DIGEST_BYTES = 32
T = TypeVar("T", bound=msgspec.Struct)


def seal(key: bytes, kind: str, value: msgspec.Struct) -> str:
    """Return the value for a cookie; `kind` says what for, so that none passes for another."""
    body = msgspec.json.encode(value)
    return base64.urlsafe_b64encode(_digest(key, kind, body) + body).decode()


def unseal(key: bytes, kind: str, text: str, into: type[T]) -> T | None:
    """Return what was sealed as this kind, None for anything else."""
    try:
        signed = base64.urlsafe_b64decode(text)
        digest, body = signed[:DIGEST_BYTES], signed[DIGEST_BYTES:]
        if not hmac.compare_digest(digest, _digest(key, kind, body)):
            return None
        return msgspec.json.decode(body, type=into)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None


def _digest(key: bytes, kind: str, body: bytes) -> bytes:
    return hmac.digest(key, kind.encode() + b"\0" + body, hashlib.sha256)
