"""Security labels worked out from the codes of a resource (HL7 Data Segmentation for Privacy). Pure.

A label says what a code tells, not whether it holds: a negative HIV test and a refuted diagnosis are as
sensitive as what they ask for. Text is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.standards.sensitivity.table import known_systems, sensitivity_of

_NOTHING: frozenset[str] = frozenset()


def sensitivities_of(resource: Mapping[str, Any]) -> frozenset[str]:  # Any: JSON
    """Return the sensitive categories (codes of v3-ActCode) that a resource's codes stand for.

    Every coding counts, in whatever element, also of what is contained and of the entries of a Bundle; the
    labels that stand in `meta` are the source's and are not among them.
    """
    systems = known_systems()
    found = _NOTHING
    pending: list[Any] = [element for name, element in resource.items() if name != "meta"]
    while pending:
        current = pending.pop()
        if type(current) is dict:
            system = current.get("system")
            if system is not None and type(system) is str and system in systems:
                code = current.get("code")
                if type(code) is str:
                    told = sensitivity_of(system, code)
                    if told:
                        found |= told
                continue
            pending.extend(current.values())
        elif type(current) is list:
            pending.extend(current)
    return found
