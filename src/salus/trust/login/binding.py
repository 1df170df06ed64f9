"""Whose record an account opens. Pure: the look-ups come before it.

A record is opened by a national identifier that a trusted issuer vouches for and that exactly one person here
has, or by a one-time code from a desk where staff have seen who somebody is; never by name and birth date.
Whoever comes with a new account, having lost the old one, comes the same way.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum

import msgspec

from salus.core.errors import InvalidSearch

CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH = 12
CODE_LIFE = timedelta(days=14)
"""Long enough for a letter on paper."""
PROOFS = ("identity-card", "passport", "driving-licence", "residence-permit")
"""Documents that staff at a desk look at."""
DOCUMENT_LENGTH_MIN, DOCUMENT_LENGTH_MAX = 5, 40
TRIES_MAX = 5
TRIES_PERIOD = timedelta(minutes=15)


class How(StrEnum):
    """How a binding was made."""

    IDENTIFIER = "identifier"
    CODE = "code"


class Outcome(StrEnum):
    """What comes of a citizen's log-in.

    OPEN: the record that is bound. BIND: one is found, and bound now. ASK: the citizen once ended this
    binding, so they are asked. NOBODY, SEVERAL: the number is nobody's here, or not one person's. CODE: the
    issuer vouches for no number, so a code is needed. CONTRADICTION: the number is another person's than the
    bound one.
    """

    OPEN = "open"
    BIND = "bind"
    ASK = "ask"
    NOBODY = "nobody"
    SEVERAL = "several"
    CODE = "code"
    CONTRADICTION = "contradiction"


class Known(msgspec.Struct, frozen=True):
    """What is stored of an account.

    Args:
        patient: of the binding that holds, by the record that stays where some were merged; "" without one.
        how: that binding was made.
        ended: patients whose binding to this account the citizen ended.
    """

    patient: str = ""
    how: How = How.IDENTIFIER
    ended: frozenset[str] = frozenset()


def decide(*, has_number: bool, found: Collection[str], known: Known) -> Outcome:
    """Return what comes of a log-in.

    Args:
        has_number: whether the issuer vouches for a national identifier.
        found: the persons here who have it.
        known: of the account.
    """
    if not has_number:
        return Outcome.OPEN if known.patient and known.how is How.CODE else Outcome.CODE
    by_desk = bool(known.patient) and known.how is How.CODE
    if len(found) > 1:
        return Outcome.OPEN if by_desk and known.patient in found else Outcome.SEVERAL
    if not found:
        return Outcome.OPEN if by_desk else Outcome.NOBODY
    (patient,) = found
    if known.patient:
        return Outcome.OPEN if known.patient == patient else Outcome.CONTRADICTION
    return Outcome.ASK if patient in known.ended else Outcome.BIND


def new_code() -> str:
    """Return a fresh code: 12 of 31 letters that are not taken for another (59 bits), in groups of four."""
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    return "-".join(letters[start : start + 4] for start in range(0, CODE_LENGTH, 4))


def digest_of(code: str, key: bytes) -> bytes:
    """Return what is stored of a code, however it was typed."""
    letters = "".join(char for char in code.upper() if char in CODE_LETTERS)
    return hmac.digest(key, b"salus binding code\0" + letters.encode(), "sha256")


def document_seen(kind: str, number: str, key: bytes) -> str:
    """Return what is written down of a document that staff saw: its kind, and a keyed hash of its number.

    Whoever has the number later can be shown that it was this document; nobody reads the number from it.

    Raises:
        InvalidSearch: no kind of document that counts, or no number.
    """
    letters = "".join(char for char in number.upper() if char.isalnum())
    if kind not in PROOFS:
        raise InvalidSearch(f"Say which document you saw: {', '.join(PROOFS)}.")
    if not DOCUMENT_LENGTH_MIN <= len(letters) <= DOCUMENT_LENGTH_MAX:
        raise InvalidSearch("Enter the number of the document that you saw, as it stands on it.")
    digest = hmac.digest(key, b"salus document seen\0" + f"{kind} {letters}".encode(), "sha256")
    return f"{kind} {digest.hex()[:32]}"
