"""The last look at a row that SQL found: does its content truly match?

A hash may collide and some predicates find more than they should, so each hit is confirmed on its bytes:
by a value that must occur in them, or by parsing and matching in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from salus.standards.fhir.search.match import condition_holds
from salus.standards.fhir.search.query import Condition
from salus.store.rows import original_id
from salus.store.search_statement import Check

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
ORIGINAL_ID = "urn:salus:original-id"
Test = Callable[[dict[str, Any]], bool]  # Any: a resource as parsed


def content_of(content: bytes) -> dict[str, Any]:  # Any: JSON as parsed
    """Return stored content as JSON, decimals exact."""
    return _decode(content)


def resource_of(row: Mapping[str, Any]) -> dict[str, Any]:  # Any: a database row; JSON as parsed
    """Return a row's resource as a read gives it: logical id, time, source and original id in place."""
    resource = _decode(row["content"])
    resource["id"] = row["id"]
    given = resource.get("meta")
    meta = dict(given) if isinstance(given, dict) else {}
    updated: datetime = row["updated"]
    meta["lastUpdated"] = updated.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if row["source"]:
        meta["source"] = row["source"]
    if row["source_id"]:
        tag = {"system": ORIGINAL_ID, "code": original_id(row["source_id"])}
        meta["tag"] = [*meta.get("tag", ()), tag]
    resource["meta"] = meta
    return resource


class Checker:
    """Confirms rows against the conditions whose SQL says it may find too much."""

    def __init__(self) -> None:
        """Start with nothing to check."""
        self._single: list[tuple[bytes, Condition]] = []
        self._needles: list[tuple[Check, Condition]] = []
        self._tests: list[Test] = []
        self._reading: list[tuple[Check, Condition]] = []

    @property
    def parses(self) -> bool:
        """Whether each row must be parsed: what SQL finds may be much more than what matches."""
        return bool(self._tests or self._reading)

    @property
    def reads_on(self) -> bool:
        """Whether rows are parsed for conditions alone of which all that SQL finds is read."""
        return bool(self._reading) and not self._tests

    @property
    def idle(self) -> bool:
        """Whether there is nothing to check."""
        return not (self._tests or self._reading or self._needles or self._single)

    def add(self, condition: Condition, check: Check) -> None:
        """Check a condition's rows as its predicate asks for."""
        if check.exact:
            return
        if check.read:
            self._reading.append((check, condition))
            return
        if len(check.needles) == 1 and not (check.absent or check.folded):
            self._single.append((check.needles[0], condition))
        elif check.needles:
            self._needles.append((check, condition))
        else:
            self.require(lambda resource: condition_holds(condition, resource))

    def require(self, test: Test) -> None:
        """Check every row by a test on its resource."""
        self._tests.append(test)

    def confirms(self, row: Mapping[str, Any]) -> bool:  # Any: a database row
        """Return whether the row's content matches."""
        content: bytes = row["content"]
        if any(_lacks(check, content) for check, _ in self._reading):
            return False
        doubted = [condition for _, condition in self._reading]
        for one, condition in self._single:
            if one not in content:
                doubted.append(condition)
        for check, condition in self._needles:
            if not _plausible(check, content):
                doubted.append(condition)
        if not doubted and not self._tests:
            return True
        resource = resource_of(row)
        return all(condition_holds(condition, resource) for condition in doubted) and all(
            test(resource) for test in self._tests
        )


def _plausible(check: Check, content: bytes) -> bool:
    """Return whether the bytes alone confirm the hit; an escape sequence may hide a value from sight."""
    if check.absent:
        return b"\\" not in content and not any(one in content for one in check.needles)
    if check.folded:
        content = content.lower()
    return any(one in content for one in check.needles)


def _lacks(check: Check, content: bytes) -> bool:
    """Return whether the bytes alone show that no value begins with or contains one of the folded needles.

    Text folds to itself in small letters where all is ASCII, without an escape sequence or a blank.
    """
    if not (check.needles and content.isascii()) or b"\\" in content:
        return False
    small = content.lower()
    return not any(b" " in one or b"\\" in one or one in small for one in check.needles)


def confirmed(rows: Sequence[Any], checker: Checker) -> list[Any]:  # Any: database rows
    """Return the rows that the checker confirms, in their order."""
    return list(rows) if checker.idle else [row for row in rows if checker.confirms(row)]
