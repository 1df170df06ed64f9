"""The place of a next page, sealed: no personal data in clear, good for one search of one caller only."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from salus.core.access import Grant
from salus.core.errors import InvalidSearch
from salus.standards.fhir.search.query import Query

T = TypeVar("T")

_NONCE_BYTES = 12
_LENGTH_MAX = 4_096
_FREE = frozenset({"_count", "_total", "_summary", "_elements", "_include", "_revinclude"})


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: the sort values and id of its last row.

    Args:
        phase: 0 while rows have the sort value, 1 among those without.
        values: sort values of the last row shown, one for each key.
        id: its logical id.
    """

    phase: int
    values: list[Any]  # Any: text, number or None, as the sort keys are
    id: str


def _seal(key: bytes) -> AESGCM:
    return AESGCM(hashlib.blake2b(key=key, person=b"search-cursor", digest_size=32).digest())


def bound_to(grant: Grant, *request: object) -> bytes:
    """Return what a cursor is good for: one request, given by what may not change, of one caller."""
    caller = (grant.caller.issuer, grant.caller.subject, sorted(grant.patients) if grant.patients else None)
    return msgspec.json.encode([*request, caller])


def seal_mark(key: bytes, bound: bytes, mark: object) -> str:
    """Return a text that hides where a page ended: AES-256-GCM, bound to the request and the caller."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = _seal(key).encrypt(nonce, msgspec.json.encode(mark), bound)
    return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()


def open_mark(key: bytes, bound: bytes, text: str, kind: type[T]) -> T:
    """Return where the page before ended.

    Raises:
        InvalidSearch: the text was not made by this node for this request and caller.
    """
    try:
        if len(text) > _LENGTH_MAX:
            raise ValueError
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        plain = _seal(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound)
        return msgspec.json.decode(plain, type=kind)
    except (ValueError, InvalidTag, msgspec.DecodeError) as error:
        raise InvalidSearch(
            "The page cursor does not belong to this search and caller; start again at the first page."
        ) from error


def _bound_to(grant: Grant, query: Query) -> bytes:
    """Return what a search's cursor is good for: the search but its page size, its order, and who asks."""
    wish = sorted((name, value) for name, value in query.applied if name.partition(":")[0] not in _FREE)
    order = [(key.parameter.code, key.descending) for key in query.sort]
    return bound_to(grant, query.type, query.compartment, wish, order)


def seal(key: bytes, grant: Grant, query: Query, place: Place) -> str:
    """Return the cursor of a place, for this search and caller only."""
    return seal_mark(key, _bound_to(grant, query), place)


def unseal(key: bytes, grant: Grant, query: Query) -> Place:
    """Return the place that the query's cursor means.

    Raises:
        InvalidSearch: it was not made by this node for this search and caller.
    """
    return open_mark(key, _bound_to(grant, query), query.cursor, Place)
