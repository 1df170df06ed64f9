"""What this node handed over on prescriptions of other nodes, kept as MedicationDispenses of its own.

The pharmacy's own law asks for its own record (docs/decisions/0002). The patient, the prescription and the
product stay at home, so the record refers to them there, by absolute address; it is in the compartment of the
patient as this node's audit names them ("node:id"), under whom every access to it is written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from salus.core.identifiers import derived_id
from salus.standards.fhir.bundle import rewrite_links
from salus.standards.fhir.search.references import parse_literal
from salus.store.dispensed_abroad import DispensedAbroad

STATUS = {"discarded": "entered-in-error"}
"""Status of the record by the state of the line, where it is not the status that was sent."""


def own_record(
    line: DispensedAbroad, sent: Mapping[str, Any], *, home: str, state: str
) -> dict[str, Any]:  # Any: FHIR content is open JSON
    """Return the MedicationDispense that this node keeps of a line.

    Args:
        line: the hand-over.
        sent: its message, parsed; it is not changed.
        home: base address of the patient's home node.
        state: what became of the line: recorded or discarded.
    """

    def at_home(link: str) -> str | None:
        return None if "://" in link or not parse_literal(link).type else f"{home}/fhir/{link}"

    record: dict[str, Any] = {name: deepcopy(each) for name, each in sent.items() if name != "meta"}
    record["id"] = derived_id(line.patient, f"{line.system}|{line.value}")
    record["status"] = STATUS.get(state, record["status"])
    rewrite_links(record, at_home)
    return record
