"""Identifiers: logical ids, and ids derived from where a resource came from.

A loaded resource's id is a function of its source and its id there, so that the same file loaded
twice changes nothing and two hospitals' Patient/1 stay two patients.
"""

from __future__ import annotations

import base64
import hashlib
import re

from salus.core.randomness import RandomTexts

_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567" * 8
"""For each byte a letter of base32 (RFC 4648), each as often as any other."""
_IDS = RandomTexts(26, lambda random: random.translate(_LETTERS).decode("ascii"))
_REQUESTS = RandomTexts(10, bytes.hex)
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


def is_fhir_id(text: str) -> bool:
    """Return whether the text is a legal FHIR id (R4 datatypes, id)."""
    return FHIR_ID.fullmatch(text) is not None


def new_id() -> str:
    """Return a fresh random logical id (130 random bits, 26 lower-case characters)."""
    return _IDS.next()


def new_request_id() -> str:
    """Return a fresh id of a request (80 random bits, 20 hexadecimal digits)."""
    return _REQUESTS.next()


def derived_id(source: str, original: str) -> str:
    """Return the logical id of what `source` calls `original` (type/id or fullUrl).

    The same pair always gives the same id; 26 lower-case characters, 130 bits of SHA-256.
    """
    digest = hashlib.sha256(f"{len(source)}:{source}{original}".encode()).digest()
    return base64.b32encode(digest)[:26].decode().lower()
