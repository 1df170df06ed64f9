"""A received document that another one succeeded stays so: only a document brings a document back."""

from __future__ import annotations

from collections.abc import Sequence

from salus.core.errors import Conflict
from salus.standards.fhir.codec.json import parse_json
from salus.store.changes import Operation
from salus.store.conditions import Here, current_of

SUCCEEDED = frozenset({"superseded", "entered-in-error"})


async def keep_succeeded(here: Here, operations: Sequence[Operation]) -> None:
    """Refuse to write the DocumentReference of a document that was succeeded or withdrawn as current again.

    Raises:
        Conflict: nothing is written.
    """
    described = {
        one.id: one.row
        for one in operations
        if one.type == "DocumentReference" and one.kind == "update" and one.row is not None
    }
    if not described:
        return
    befores = await current_of(here, [("DocumentReference", identity) for identity in described])
    for (_, identity), before in befores.items():
        row = described[identity]
        if before.deleted or _status(here, before.content) not in SUCCEEDED:
            continue
        if _status(here, row.content) == "current":
            raise Conflict(
                f"DocumentReference/{identity} was replaced or withdrawn and does not become current by an "
                "update: publish the document that is right (POST DocumentReference)."
            )


def _status(here: Here, content: bytes) -> str:
    return str(parse_json(content, here.rules.limits).get("status", ""))
