"""What refers to a restricted resource is hidden with it, also when it is written later (EHDS article 8).

How far a restriction reaches is worked out in the database (schema 0020), over all that refers to what is
hidden, step by step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from salus.store.postgres import Connection

_AWAIT = "SELECT await_restrictions($1)"
_FOLLOW = "SELECT follow_restrictions($1, $2, $3, $4, $5)"


async def await_restrictions(connection: Connection, compartments: Sequence[str]) -> None:
    """Wait for changes of restrictions in these compartments, and keep later ones out until the end.

    Before rows are locked that such a change needs.
    """
    await connection.execute(_AWAIT, compartments)


async def follow(
    connection: Connection, keys: Iterable[tuple[str, str, str]], at: datetime, *, waiting: bool = True
) -> None:
    """Hide those of the resources (compartment, type, id) just written that refer to something hidden.

    Args:
        connection: in the transaction that wrote them.
        keys: of the resources.
        at: since when what is found here is restricted.
        waiting: for changes of restrictions under way. A load does not wait: it would hold too many locks.
    """
    columns = [list(column) for column in zip(*keys, strict=True)]
    if columns:
        await connection.execute(_FOLLOW, *columns, at, waiting)
