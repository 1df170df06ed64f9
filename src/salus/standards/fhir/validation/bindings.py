"""Required bindings of coded data types (R4, terminologies.html#required); codes are checked as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.standards.fhir.model import Binding, value_set_codes
from salus.standards.fhir.validation.issue import Findings, Where, quote
from salus.standards.fhir.validation.values import Rule

_CODED = frozenset({"CodeableConcept", "Coding", "Quantity"})


def binding_rule(binding: Binding | None, type_name: str) -> Rule | None:
    """Return the rule for a coded data type with a required binding whose codes are known, else None."""
    if binding is None or binding.strength != "required" or type_name not in _CODED:
        return None
    codes = value_set_codes(binding.value_set)
    if codes is None:
        return None
    known = codes
    value_set = binding.value_set

    def concept(node: dict[str, Any], where: Where, run: Findings) -> None:
        codings = node.get("coding")
        if type(codings) is list and any(_is_member(coding, known) for coding in codings):
            return
        if "extension" in node and not codings:
            return
        message = f"A code of the required value set {value_set} is missing; add a coding from it."
        run.error("code-invalid", "binding-required", where, message)

    def coding(node: dict[str, Any], where: Where, run: Findings) -> None:
        if "code" in node and not _is_member(node, known):
            message = (
                f"{quote(node['code'])} is not in the required value set {value_set}; use one of its codes."
            )
            run.error("code-invalid", "binding-required", where, message)

    return concept if type_name == "CodeableConcept" else coding


def _is_member(coding: Any, known: Mapping[str, frozenset[str]]) -> bool:  # Any: whatever was sent
    if type(coding) is not dict:
        return False
    system, code = coding.get("system"), coding.get("code")
    return type(system) is str and type(code) is str and code in known.get(system, ())
