"""Which resource types are records: not those that only travel, nor those that the node itself makes."""

from __future__ import annotations

from salus.core.errors import NotSupported

TRAVELLING = frozenset({"OperationOutcome", "Parameters"})
"""Answers and parameters of operations (http://hl7.org/fhir/R4/parameters.html): they have no address."""

MADE_HERE = frozenset({"AuditEvent"})
"""Made from the ledger, which only the gate writes."""


def check_stored(kind: str) -> None:
    """Refuse a type that only travels.

    Raises:
        NotSupported: naming it.
    """
    if kind in TRAVELLING:
        raise NotSupported(f"{kind} resources are answers and parameters; the node does not store them.")
