"""What a grant lets be read on the way, type by type: the wall behind the one at the gate.

The gate decides on the type that the address names. What a search includes or passes through, and what a
compartment, a history or a document brings along, is decided here by `Grant.types`.
"""

from __future__ import annotations

from collections.abc import Iterable

from salus.core.access import Action, Grant
from salus.core.errors import AccessRefused
from salus.core.refusal import may_not


def is_readable(grant: Grant, type_name: str) -> bool:
    """Return whether the grant lets resources of the type be read."""
    return grant.types is None or type_name in grant.types


def is_open(grant: Grant, type_name: str) -> bool:
    """Return whether the grant lets resources of the type be read, be it only those that satisfy a search.

    Only for who narrows what it answers (`store.narrowed`).
    """
    return is_readable(grant, type_name) or any(name == type_name for name, _ in grant.narrowed)


def require_open(grant: Grant, type_names: Iterable[str], instead: str) -> None:
    """Refuse a type of which nothing may be read; only for who narrows what it answers.

    Raises:
        AccessRefused: as `require_readable`.
    """
    if grant.types is not None:
        require_readable(grant, (name for name in type_names if not is_open(grant, name)), instead)


def require_readable(grant: Grant, type_names: Iterable[str], instead: str) -> None:
    """Refuse a type that may not be read; `instead` says what to do.

    Raises:
        AccessRefused: naming the first such type; it tells nothing of what is stored.
    """
    if grant.types is None:
        return
    for name in type_names:
        if name not in grant.types:
            raise AccessRefused(
                f"{may_not(grant.caller, Action.READ, name)}: {instead} "
                f"(beyond rule {grant.rule}, request {grant.request})."
            )
