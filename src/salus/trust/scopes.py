"""What the scopes of a token permit (SMART App Launch 2.2; `standards/smart/scopes.py` reads them).

A scope that narrows by a query ("patient/Observation.rs?category=...") is not carried into the store yet and
therefore permits nothing here, rather than more than it says.
"""

from __future__ import annotations

from collections.abc import Iterable

from salus.core.access import Action
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


def parse_scope(text: str) -> Scope | None:
    """Return the resource scope, None for any other scope, a malformed one, or one with a query."""
    found = smart.parse_scope(text)
    return None if found is None or found.query else found


def letters_for(action: Action) -> str:
    """Return the letters that a scope needs for an action, "" where no scope permits it."""
    return _LETTERS.get(action, "")


def permitting(scopes: Iterable[str], action: Action, resource_type: str) -> Scope | None:
    """Return a scope that permits the action on the type, the widest context first; None when there is none.

    A request about no single type ("") needs a scope for "*".
    """
    letters = _LETTERS.get(action)
    if letters is None:
        return None
    parsed = (scope for scope in map(parse_scope, scopes) if scope is not None)
    return next(iter(smart.fitting(parsed, letters, resource_type)), None)
