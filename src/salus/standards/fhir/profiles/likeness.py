"""Codes that look like those of a slice but for their system: most often a slip of whoever wrote the
document.
"""

from __future__ import annotations

from collections.abc import Mapping

from salus.standards.fhir.profiles.items import Item
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.profiles.telling import codings
from salus.standards.fhir.validation.issue import quote

Codes = Mapping[str, tuple[str, str]]
"""System and name of the slice, by code."""


def warn_of_likeness(item: Item, child: str, codes: Codes, label: str, run: Run) -> None:
    """Warn of an item in no slice whose code is that of one, in another system.

    `child` is the element with its code ("code"), "" for the item itself; `label` the element that is sliced.
    """
    value = item[0]
    concept = value.get(child) if child and type(value) is dict else value
    for system, code in codings(concept):
        wanted = codes.get(code)
        if wanted is not None and wanted[0] != system:
            message = (
                f"{quote(code)} is the code of {label}:{wanted[1]} in {wanted[0]}, not in {quote(system)}; "
                "correct the system, if that is meant."
            )
            where = (item[3], child, None) if child else item[3]
            run.add("warning", "code-invalid", "slice-likeness", where, message)
