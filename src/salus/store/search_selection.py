"""The rows that a step of a search selects, ready to be put into statements."""

from __future__ import annotations

import msgspec

from salus.core.errors import TooCostly
from salus.core.limits import Limits
from salus.store.search_check import Checker
from salus.store.search_statement import Statement

COLUMNS = (
    "r.compartment, r.type, r.id, r.version, r.updated, r.others, r.source, r.source_id, "
    "r.date::text, r.content"
)


def too_many(type_name: str, limits: Limits, step: str = "") -> TooCostly:
    """Return the refusal of a step that would pass through too many resources, naming what is missing."""
    where = f" ({step})" if step else ""
    bound = limits.search_candidates_max
    return TooCostly(
        f"This search would pass through more than {bound} {type_name} resources{where}; "
        f"add a filter on {type_name}, such as a patient, an identifier, a code or a date."
    )


class Selection(msgspec.Struct):
    """The rows of one type that satisfy all criteria, ready to be put into statements.

    Args:
        type: the resource type.
        statement: the arguments of the tests.
        checker: confirms the rows.
        tests: conditions on `r`, all of which hold.
        narrow: one of the tests confines the rows to few: a patient, ids.
    """

    type: str
    statement: Statement
    checker: Checker
    tests: list[str] = []
    narrow: bool = False

    def render(self) -> tuple[Statement, str]:
        """Return a statement of its own with the arguments, and the text of the WHERE clause."""
        return self.statement.copy(), " AND ".join(self.tests)
