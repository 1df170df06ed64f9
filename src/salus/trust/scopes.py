"""What the scopes of a token permit (SMART App Launch 2.2; `standards/smart/scopes.py` reads them).

A scope that narrows by a query ("patient/Observation.rs?category=...") lets only resources be read that
satisfy it, and only where the door says that the store narrows its answer (`trust.policy.AccessRequest`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from salus.core.access import Action, Narrowing
from salus.standards.fhir.model import resource_types
from salus.standards.smart import scopes as smart
from salus.standards.smart.scopes import Scope

_LETTERS: dict[Action, str] = {
    Action.READ: "r",
    Action.HISTORY: "r",
    Action.SEARCH: "s",
    Action.CHANGES: "s",
    Action.EXPORT: "rs",
    Action.CREATE: "c",
    Action.UPDATE: "u",
    Action.DELETE: "d",
}
_OF_MANY_TYPES = frozenset({"", "summary"})
"""What is more than one resource type: a scope for "*" permits it. Our other words (a citizen's rights,
incidents) are no resources, and no scope permits them."""
LOOKING = frozenset("rs")


class Permission(msgspec.Struct, frozen=True):
    """What scopes permit of one action on one type.

    Args:
        context: "patient", "user" or "system": the widest of those that permit it.
        narrowing: the searches of which a resource must satisfy one; () for none.
    """

    context: str
    narrowing: Narrowing = ()


def parse_scope(text: str) -> Scope | None:
    """Return the resource scope, None for any other scope, a malformed one, or one with a query."""
    found = smart.parse_scope(text)
    return None if found is None or found.query else found


@lru_cache(maxsize=1_024)
def parse_grantable(text: str) -> Scope | None:
    """Return the resource scope, None for any other, a malformed one, or a query on what is written."""
    found = smart.parse_scope(text)
    return None if found is None or (found.query and not LOOKING.issuperset(found.letters)) else found


def letters_for(action: Action) -> str:
    """Return the letters that a scope needs for an action, "" where no scope permits it."""
    return _LETTERS.get(action, "")


@lru_cache(maxsize=4_096)
def permitting(scopes: tuple[str, ...], action: Action, resource_type: str) -> Permission | None:
    """Return what the scopes permit of the action on the type; None when nothing.

    The widest context decides: what a narrower one adds to a query of a wider one is not given. A request
    about no single type ("") needs a scope for "*". A query permits nothing but reading.
    """
    letters = _LETTERS.get(action)
    if letters is None or not (resource_type in _OF_MANY_TYPES or resource_type in resource_types()):
        return None
    asked = "" if resource_type in _OF_MANY_TYPES else resource_type
    parsed = [scope for scope in map(parse_grantable, scopes) if scope is not None]
    fitting = smart.fitting(parsed, letters, asked)
    if not fitting:
        return None
    context = fitting[0].context
    if not fitting[0].query:
        return Permission(context)
    return Permission(context, tuple(dict.fromkeys(one.query for one in fitting if one.context == context)))


def given(asked: str, held: Iterable[str]) -> tuple[str, ...]:
    """Return what of a scope is given to who holds others: never more than both say, () for nothing.

    A scope of every type is given as those that are held; a query stays, whoever of the two has it.
    """
    registered = tuple(held)
    wish = smart.parse_scope(asked)
    if wish is None:
        return (asked,) if asked in registered else ()
    parts = (_common(asked, wish, text) for text in registered)
    found = tuple(dict.fromkeys(part for part in parts if part))
    return (asked,) if asked in found else found


def _common(asked: str, wish: Scope, text: str) -> str:
    """Return the scope that both permit, "" where there is none."""
    own = smart.parse_scope(text)
    if (
        own is None
        or own.context != wish.context
        or not ("*" in (own.type, wish.type) or own.type == wish.type)
    ):
        return ""
    if wish.query and own.query and wish.query != own.query:
        return ""
    query = (asked if wish.query else text).partition("?")[2] if wish.query or own.query else ""
    letters = "".join(
        letter
        for letter in "cruds"
        if letter in wish.letters and letter in own.letters and (not query or letter in LOOKING)
    )
    kind = own.type if wish.type == "*" else wish.type
    if not letters or (query and kind == "*"):
        return ""
    if (kind, letters) == (wish.type, wish.letters) and bool(query) == bool(wish.query):
        return asked
    return f"{wish.context}/{kind}.{letters}" + (f"?{query}" if query else "")
