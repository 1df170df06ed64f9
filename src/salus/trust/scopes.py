"""SMART scopes (SMART App Launch 2.2, "Scopes for requesting FHIR Resources"), version 2 and 1 forms.

A scope that narrows by a query ("patient/Observation.rs?category=...") is not understood yet and therefore
permits nothing, rather than more than it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from salus.core.access import Action

_SCOPE = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]+)\.(c?r?u?d?s?|read|write|\*)", re.ASCII)
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
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


class Scope(msgspec.Struct, frozen=True):
    """One resource scope: context ("patient", "user", "system"), type ("*" any) and letters of "cruds"."""

    context: str
    type: str
    letters: str


def parse_scope(text: str) -> Scope | None:
    """Return the resource scope, None for any other scope ("openid", "launch/patient") or a malformed one."""
    found = _SCOPE.fullmatch(text)
    if found is None or not found[3]:
        return None
    return Scope(found[1], found[2], _V1.get(found[3], found[3]))


def letters_for(action: Action) -> str:
    """Return the letters that a scope needs for an action, "" where no scope permits it."""
    return _LETTERS.get(action, "")


def permitting(scopes: Iterable[str], action: Action, resource_type: str) -> Scope | None:
    """Return a scope that permits the action on the type, the widest context first; None when there is none.

    A request about no single type ("") needs a scope for "*".
    """
    wanted = _LETTERS.get(action)
    if wanted is None:
        return None
    parsed = (scope for scope in map(parse_scope, scopes) if scope is not None)
    fitting = [
        scope
        for scope in parsed
        if scope.type in ("*", resource_type or "*") and all(letter in scope.letters for letter in wanted)
    ]
    return min(fitting, key=lambda scope: ("system", "user", "patient").index(scope.context), default=None)
