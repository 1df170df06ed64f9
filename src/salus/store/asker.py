"""Who asks, as the database judges it: from whom a veil hides (docs/decisions/0015, rule 3; schema 0056)."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from salus.core.access import Caller, Grant, Role

EVERYTHING = '{"is":[]}'
"""One who belongs to no audience: nothing is hidden from them."""
_NOTHING = "{}"
_SEE_ALL = frozenset({Role.CITIZEN, Role.OPERATOR})


def asker_of(grant: Grant) -> str:
    """Return the grant's audiences and its moment as the schema's functions read them, in JSON.

    A grant whose audiences nobody worked out sees nothing that may be hidden from somebody.
    """
    audiences = grant.audiences
    if audiences is None:
        return _NOTHING
    if not audiences:
        return EVERYTHING
    return f'{{"is":{_words(audiences)},"at":{grant.opened_at.timestamp()!r}}}'


@lru_cache(maxsize=4_096)
def _words(audiences: frozenset[str]) -> str:
    """Return a JSON array; no jsonb holds the character 0."""
    return msgspec.json.encode(sorted(word.replace("\0", "") for word in audiences)).decode()


def sees_hidden(grant: Grant) -> bool:
    """Return whether nothing is hidden from the grant, whatever a citizen says."""
    return grant.audiences is not None and not grant.audiences


def is_shown_hidden(caller: Caller) -> bool:
    """Return whether a grant of the caller would see what a citizen restricts."""
    return caller.role in _SEE_ALL
