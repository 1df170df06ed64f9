"""What a write does to one resource, decided before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from salus.core.access import Grant
from salus.core.errors import NotFound, VersionConflict
from salus.store.asker import sees_hidden
from salus.store.directory import SHARED_TYPES
from salus.store.record_seal import RecordSeal, whose_of
from salus.store.rows import Row, StoredResource, patients_of

Outcome = Literal["created", "updated", "deleted", "unchanged"]


class Operation(msgspec.Struct, frozen=True):
    """One write.

    Args:
        kind: "create" takes a fresh id (`core.identifiers.new_id`) and looks nothing up.
        row: the new content, None for a deletion.
        if_match: the version the caller believes current, None for any.
        may_create: an update may create.
        received: it is what a source sent or withdrew, and not done here (schema 0013).
    """

    kind: Literal["create", "update", "delete"]
    type: str
    id: str
    row: Row | None = None
    if_match: int | None = None
    may_create: bool = False
    received: bool = False


class Written(msgspec.Struct, frozen=True):
    """What became of an operation.

    Args:
        resource: the version that is current now.
        patients: those whose record changed: of the version before as well as of the new one.
        veiled: veils hang over the record that it lies in, or over one of a patient whom it names and lies in
            none, by what the citizen says (`store.veils`).
    """

    outcome: Outcome
    resource: StoredResource
    patients: tuple[str, ...]
    veiled: bool = False


class Change(msgspec.Struct, frozen=True):
    """An operation worked out: the row to write, and the key (compartment, type, id) it supersedes."""

    written: Written
    compartment: str
    others: tuple[str, ...]
    hidden: bool
    digest: bytes
    row: Row | None = None
    superseded: tuple[str, str, str] | None = None
    received: bool = False

    def columns(self, seal: RecordSeal) -> tuple[object, ...]:
        """Return the values of `resource`, sealed, in the order of the insert statement."""
        new = self.written.resource
        index = None if self.row is None else self.row.index
        return (
            self.compartment,
            new.type,
            new.id,
            new.version,
            new.updated,
            new.deleted,
            self.hidden,
            "{" + ",".join(f'"{other}"' for other in self.others) + "}",
            new.source,
            new.source_id,
            self.digest,
            None if index is None else index.date,
            "{}" if index is None else "{" + ",".join(map(str, index.tokens)) + "}",
            "{}" if index is None else "{" + ",".join(f'"{link}"' for link in index.links) + "}",
            0 if index is None else index.links_stated,
            seal.close(whose_of(new.type, self.compartment, self.others), new.content),
            self.received,
        )


def plan(
    grant: Grant,
    operation: Operation,
    current: Any,  # Any: an asyncpg record, or None
    *,
    digest: Callable[[bytes], bytes],
) -> Change:
    """Return what the operation does, given the current version (a row of `resource`) or None.

    `digest` gives what the database keeps of the digest of a row (`RecordSeal.digest`).

    Raises:
        NotFound: nothing to change, or nothing that this grant may know of.
        VersionConflict: `if_match` names another version.
    """
    # What is hidden is answered as what is not there, whatever else the request says. What a source sends
    # becomes the next version of it, as hidden, whoever brings it.
    if current is not None and current["veiled"] and not operation.received:
        raise absent(operation)
    if current is None and not _makes(grant, operation):
        raise absent(operation)
    if operation.if_match is not None and (current is None or current["version"] != operation.if_match):
        raise VersionConflict(
            f"If-Match does not name the current version of {operation.type}/{operation.id}; "
            "read it again and repeat the change."
        )
    if operation.row is None:
        return _deletion(grant, operation, current)
    kept = digest(operation.row.digest)
    return _version(grant, operation.row, current, digest=kept, received=operation.received)


def _makes(grant: Grant, operation: Operation) -> bool:
    """Return whether the operation may make a resource that is not there.

    Under an id of the caller's choice only where the answer tells nothing: by one who sees what citizens
    restrict, or in the shared directory, where nothing is ever hidden. What a source sent has derived ids.
    """
    if operation.row is None:
        return False
    if operation.kind == "create":
        return True
    free = sees_hidden(grant) or operation.received or operation.type in SHARED_TYPES
    return operation.may_create and grant.patients is None and free


def absent(operation: Operation) -> NotFound:
    """Return the answer to a write of what is not there, or must look as if it were not."""
    advice = "" if operation.row is None else "; a new one is sent by POST, and the node gives it its id"
    return NotFound(f"There is no {operation.type}/{operation.id} that this access may change{advice}.")


def _later(grant: Grant, current: Any) -> datetime:  # Any: an asyncpg record, or None
    """Versions of one resource never go back in time, even when two nodes' clocks differ."""
    at = grant.opened_at
    return at if current is None else max(at, current["updated"])


def _deletion(grant: Grant, operation: Operation, current: Any) -> Change:  # Any: an asyncpg record
    patients = patients_of(current["compartment"], current["others"])
    outcome: Outcome
    if current["deleted"]:
        version, updated, outcome = current["version"], current["updated"], "unchanged"
    else:
        version, updated, outcome = current["version"] + 1, _later(grant, current), "deleted"
    resource = StoredResource(
        operation.type,
        operation.id,
        version,
        updated,
        True,
        current["source"],
        current["source_id"],
        patients,
        b"",
    )
    return Change(
        Written(outcome, resource, patients),
        compartment=current["compartment"],
        others=tuple(current["others"]),
        hidden=current["hidden"],
        digest=b"",
        superseded=(current["compartment"], operation.type, operation.id),
        received=operation.received,
    )


def stays_hidden(current: Any, patients: Sequence[str]) -> bool:  # Any: an asyncpg record
    """Return whether the next version, about these patients, is hidden as the current one is.

    Not one that was corrected to be about somebody else: whom it was about hides what was in their record,
    and nothing from those who care for another.
    """
    before = patients_of(current["compartment"], current["others"])
    return bool(current["hidden"]) and (not before or not set(before).isdisjoint(patients))


def _version(
    grant: Grant,
    row: Row,
    current: Any,  # Any: an asyncpg record, or None
    *,
    digest: bytes,
    received: bool,
) -> Change:
    patients = patients_of(row.compartment, row.others)
    if current is not None:
        before = patients_of(current["compartment"], current["others"])
        unchanged = not current["deleted"] and current["digest"] == digest
    else:
        before, unchanged = (), False
    outcome: Outcome
    if unchanged:
        version, updated, outcome = current["version"], current["updated"], "unchanged"
    else:
        version = 1 if current is None else current["version"] + 1
        updated = _later(grant, current)
        outcome = "created" if current is None or current["deleted"] else "updated"
    resource = StoredResource(
        row.type, row.id, version, updated, False, row.source, row.source_id, patients, row.content
    )
    touched = tuple(dict.fromkeys((*before, *patients)))
    return Change(
        Written(outcome, resource, touched),
        compartment=row.compartment,
        others=row.others,
        hidden=current is not None and stays_hidden(current, patients),
        digest=digest,
        row=row,
        superseded=None if current is None else (current["compartment"], row.type, row.id),
        received=received,
    )
