"""The invariants of R4, written in FHIRPath, as rules over elements.

What the keys alone decide is decided when a plan is made (`presence`). For some of the others a quick test
recognises the ordinary case; only when it does not is the expression evaluated. A quick test may answer True
only where the expression holds (a property test compares the two).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.core.errors import SalusError
from salus.standards.fhir.fhirpath.expression import compile_expression
from salus.standards.fhir.fhirpath.grammar import parse
from salus.standards.fhir.fhirpath.syntax import Syntax
from salus.standards.fhir.model import Invariant
from salus.standards.fhir.validation.issue import Findings, Where
from salus.standards.fhir.validation.presence import FALSE, UNKNOWN, decide
from salus.standards.fhir.validation.values import Rule

# trace() tells the author of a rule what passed by, and changes nothing.
_TRACE = re.compile(r"\.trace\('[^']*'(?:,[^()]*)?\)").sub

BUILT_IN = frozenset({"dom-3", "ele-1", "ref-1", "txt-1", "txt-2"})
"""Checked by code of their own: containment, structure, references, narrative."""


@cache
def _advice() -> Mapping[str, str]:
    table = resources.files(__package__).joinpath("advice.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, str])


@cache
def _tree(expression: str) -> Syntax:
    return parse(expression)


def message_of(invariant: Invariant) -> str:
    """Return what to tell about a broken invariant."""
    advice = _advice().get(invariant.key)
    if advice is not None:
        return f"{advice} (rule {invariant.key})"
    shown = _TRACE("", invariant.expression)
    return f"Rule {invariant.key} does not hold; make this true: {shown}"


def invariant_rules(
    invariants: Collection[Invariant], type_name: str, names: Collection[str]
) -> tuple[list[Rule], list[Rule]]:
    """Return the rules for elements of which exactly these children exist.

    Args:
        invariants: those of the type and of the element.
        type_name: the type's name, also of a backbone element.
        names: element names that are present.

    Returns:
        First the rules that are broken by the mere presence or absence of children, then those to evaluate.
    """
    broken: list[Rule] = []
    open_: list[Rule] = []
    for invariant in invariants:
        if invariant.key in BUILT_IN:
            continue
        answer = decide(_tree(invariant.expression), names, type_name)
        if answer is FALSE:
            broken.append(_broken(invariant))
        elif answer is UNKNOWN:
            open_.append(_evaluated(invariant, type_name))
    return broken, open_


@cache
def _broken(invariant: Invariant) -> Rule:
    severity, key, message = invariant.severity, invariant.key, message_of(invariant)

    def rule(node: dict[str, Any], where: Where, run: Findings) -> None:
        run.add(severity, "invariant", key, where, message)

    return rule


@cache
def _evaluated(invariant: Invariant, type_name: str) -> Rule:
    severity, key, message = invariant.severity, invariant.key, message_of(invariant)
    quick = QUICK_TESTS.get(key)
    verdict = compile_expression(invariant.expression, type_name, filtering_as=True).verdict

    def rule(node: dict[str, Any], where: Where, run: Findings) -> None:
        if quick is not None and quick(node):
            return
        try:
            holds = verdict(node, run.environment())
        except SalusError as error:
            run.not_evaluated(key, where, error.message)
            return
        if holds is False or (holds is None and run.undecided_fails):
            run.add(severity, "invariant", key, where, message)

    return rule


def _is_surely_ordered(period: dict[str, Any]) -> bool:
    """per-1: two moments written alike compare as their text does."""
    start, end = period.get("start"), period.get("end")
    return (
        type(start) is str
        and type(end) is str
        and len(start) == len(end)
        and (len(start) < 20 or start[19:] == end[19:])
        and start <= end
    )


def _has_no_version_in_address(entry: dict[str, Any]) -> bool:
    """bdl-8: the address of an entry is not version specific."""
    address = entry.get("fullUrl")
    return type(address) is str and "/_history/" not in address


def _has_surely_one_entry_of_each(bundle: dict[str, Any]) -> bool:
    """bdl-7: the addresses of the entries, each with its resource's version behind it, differ."""
    found = []
    for entry in _entries(bundle):
        address = entry.get("fullUrl")
        if address is None and "_fullUrl" not in entry:
            continue
        resource = entry.get("resource", _EMPTY)
        meta = resource.get("meta", _EMPTY) if type(resource) is dict else None
        version = meta.get("versionId", "") if type(meta) is dict else None
        if type(address) is not str or type(version) is not str:
            return False
        found.append(address + version)
    return bool(found) and len(set(found)) == len(found)


def _has_requests_where_due(bundle: dict[str, Any]) -> bool:
    """bdl-3: every entry of a batch, transaction or history has a request, no other has."""
    return _agree(bundle, "request", _REQUESTING)


def _has_responses_where_due(bundle: dict[str, Any]) -> bool:
    """bdl-4: every entry of a response or history has a response, no other has."""
    return _agree(bundle, "response", _RESPONDING)


def _agree(bundle: dict[str, Any], key: str, kinds: frozenset[str]) -> bool:
    kind = bundle.get("type")
    if type(kind) is not str:
        return False
    is_due = kind in kinds
    return all((key in entry) is is_due for entry in _entries(bundle))


def _entries(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries; none where one has another form, which base validation reports."""
    entries = bundle.get("entry")
    if type(entries) is not list or not all(type(one) is dict for one in entries):
        return []
    return entries


def _has_surely_text(resource: dict[str, Any]) -> bool:
    """dom-6: there is a narrative."""
    text = resource.get("text")
    return type(text) is dict and type(text.get("div")) is str


def _is_surely_abated(condition: dict[str, Any]) -> bool:
    """con-4: the clinical status says that the condition has ended."""
    return _has_code(condition.get("clinicalStatus"), f"{_HL7}condition-clinical", _ABATED)


def _is_condition_surely_no_error(condition: dict[str, Any]) -> bool:
    """con-5: the verification status has one coding, which says something else than entered in error."""
    return _has_code(condition.get("verificationStatus"), f"{_HL7}condition-ver-status", _VERIFIED)


def _is_allergy_surely_no_error(allergy: dict[str, Any]) -> bool:
    """ait-2: the verification status has one coding, which says something else than entered in error."""
    return _has_code(allergy.get("verificationStatus"), f"{_HL7}allergyintolerance-verification", _VERIFIED)


def _has_code(concept: object, system: str, codes: frozenset[str]) -> bool:
    codings = concept.get("coding") if type(concept) is dict else None
    if type(codings) is not list or len(codings) != 1 or type(codings[0]) is not dict:
        return False
    code = codings[0].get("code")
    return codings[0].get("system") == system and type(code) is str and code in codes


_EMPTY: Mapping[str, Any] = {}
_REQUESTING = frozenset({"batch", "transaction", "history"})
_RESPONDING = frozenset({"batch-response", "transaction-response", "history"})
_HL7 = "http://terminology.hl7.org/CodeSystem/"
_ABATED = frozenset({"resolved", "remission", "inactive"})
_VERIFIED = frozenset({"confirmed", "unconfirmed", "provisional", "differential", "refuted"})

QUICK_TESTS: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "per-1": _is_surely_ordered,
    "bdl-3": _has_requests_where_due,
    "bdl-4": _has_responses_where_due,
    "bdl-7": _has_surely_one_entry_of_each,
    "bdl-8": _has_no_version_in_address,
    "dom-6": _has_surely_text,
    "con-4": _is_surely_abated,
    "con-5": _is_condition_surely_no_error,
    "ait-2": _is_allergy_surely_no_error,
}
