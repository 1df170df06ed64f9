"""Bindings of a profile, through a terminology service (R4, terminologies.html#strength).

Required: an error. Extensible: a warning. A value set that cannot be decided gives one line that says what
it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from salus.standards.fhir.profiles.facts import BindingRule
from salus.standards.fhir.profiles.items import Item
from salus.standards.fhir.profiles.run import Check, Run
from salus.standards.fhir.validation.issue import Severity, quote

_TEXTS = frozenset({"code", "string", "uri", "url", "canonical", "markdown", "id", "oid"})


def is_checked(binding: BindingRule) -> bool:
    """Return whether a binding asks for anything that is checked."""
    return bool(binding.largest) or bool(binding.value_set and binding.strength in ("required", "extensible"))


def binding_checks(binding: BindingRule | None, profile: str) -> list[Check]:
    """Return the checks of a binding: of its value set, and of the one it may never leave."""
    if binding is None:
        return []
    found: list[Check] = []
    if binding.value_set and binding.strength in ("required", "extensible"):
        severity: Severity = "error" if binding.strength == "required" else "warning"
        found.append(_bound(binding.value_set, severity, binding.strength, profile))
    if binding.largest:
        found.append(_bound(binding.largest, "error", "maximum", profile))
    return found


def codes_of(item: Item) -> Iterator[tuple[str, str]]:
    """Yield (system, code) of what an item holds; system "" for a code element."""
    value, _, kind, _ = item
    if kind in _TEXTS:
        if type(value) is str:
            yield "", value
        return
    codings = value.get("coding") if kind == "CodeableConcept" and type(value) is dict else [value]
    for coding in codings if type(codings) is list else ():
        code = coding.get("code") if type(coding) is dict else None
        if type(code) is str:
            system = coding.get("system")
            yield system if type(system) is str and system else "-", code


def membership(value_set: str, item: Item, run: Run) -> tuple[bool | None, str]:
    """Return whether one of an item's codes belongs to a value set; None for unknown, with what it needs."""
    needs = ""
    unknown = False
    for system, code in codes_of(item):
        found = run.terminology.judge(value_set, system, code)
        if found.answer:
            return True, ""
        if found.answer is None:
            unknown, needs = True, found.needs
    return (None, needs) if unknown else (False, "")


def _bound(value_set: str, severity: Severity, strength: str, profile: str) -> Check:
    def check(item: Item, run: Run) -> None:
        value, sibling, kind, where = item
        answer, needs = membership(value_set, item, run)
        if answer:
            return
        if answer is None:
            message = f"Not checked: needs {needs} for the value set {value_set}."
            run.information("binding-not-checked", where, message)
            return
        shown = [f"{system}|{code}".removeprefix("|") for system, code in codes_of(item)]
        if not shown and (_is_excused(value, sibling, kind) or severity == "warning"):
            return
        said = f"{quote(', '.join(shown))} is not" if shown else "No code is"
        message = f"{said} in the {strength} value set {value_set} of {profile}; use one of its codes."
        run.add(severity, "code-invalid", f"profile-binding-{strength}", where, message)

    return check


def _is_excused(value: Any, sibling: Any, kind: str) -> bool:  # Any: JSON values
    """Return whether an item without a code says why, or is of a type that has none."""
    if kind == "Quantity" and type(value) is dict and "code" not in value:
        return "unit" not in value and "value" not in value
    holder = value if type(value) is dict else sibling
    return (type(holder) is dict and "extension" in holder) or kind not in (
        "CodeableConcept",
        "Coding",
        "Quantity",
    )
