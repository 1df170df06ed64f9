"""Types compiled to closures: which keys an object may have, how often, and what each must be.

An object's tuple of keys, its shape, decides which elements are missing, unknown or exclusive, and which
rules apply. So a plan is made for each shape of a type when it is first seen, and an object is checked by
following the plan of its shape. Plans of shapes with faults are not kept, nor more than a fixed number.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from salus.standards.fhir.model import (
    Binding,
    Element,
    Invariant,
    Property,
    TypeRef,
    invariants_of,
    profile_invariants,
    properties,
    resource_types,
    type_definition,
)
from salus.standards.fhir.validation.aspects import Aspect
from salus.standards.fhir.validation.bindings import binding_rule
from salus.standards.fhir.validation.consistency import check_full_url, check_size
from salus.standards.fhir.validation.containment import check_contained
from salus.standards.fhir.validation.faults import Fault, extension_address, shape_faults
from salus.standards.fhir.validation.identities import SHARED, check_element_id
from salus.standards.fhir.validation.invariants import invariant_rules
from salus.standards.fhir.validation.issue import Findings, Where, quote
from salus.standards.fhir.validation.narrative import check_narrative
from salus.standards.fhir.validation.primitives import Predicate
from salus.standards.fhir.validation.references import reference_rule, stated_type_rule
from salus.standards.fhir.validation.values import (
    Check,
    Rule,
    empty_array,
    explain,
    label_of,
    sibling_rule,
    value_of,
)

PLANS_MAX = 200
"""Most shapes of one type whose plans are kept (28,000 Synthea resources and 968 documents need 14)."""

Shape = tuple[str, ...]


class Parts(NamedTuple):
    """What a plan holds besides values.

    Attributes:
        singles, lists: keys of objects and of arrays of objects, with their label and check.
        rules: rules that always run.
        invariants: rules that run only when nothing below was wrong.
    """

    singles: tuple[tuple[str, str, Check], ...]
    lists: tuple[tuple[str, str, Check], ...]
    rules: tuple[Rule, ...]
    invariants: tuple[Rule, ...]


class Plan(NamedTuple):
    """How to check the objects of one shape.

    Attributes:
        values: keys of primitives, each with the predicate for its JSON value.
        parts: the rest; None, as for most Codings, where there is none.
    """

    values: tuple[tuple[str, Predicate], ...]
    parts: Parts | None


class Facets(NamedTuple):
    """What an element adds to its type."""

    targets: tuple[str, ...] = ()
    binding: Binding | None = None
    invariants: tuple[Invariant, ...] = ()
    is_sibling: bool = False


NO_FACETS = Facets()


@cache
def compile_type(name: str, aspects: Aspect, facets: Facets = NO_FACETS) -> Check:
    """Return the check for objects of a type with elements ("Patient", "HumanName", "Patient.contact")."""
    plans: dict[Shape, Plan] = {}

    def check(node: Any, where: Where, run: Findings) -> None:  # Any: whatever was sent
        if type(node) is not dict:
            _not_an_object(node, name, where, run)
            return
        errors = run.errors
        shape = tuple(node)
        try:
            values, parts = plans[shape]
        except KeyError:
            plan, faults = make_plan(name, shape, aspects, facets)
            values, parts = plan
            if not faults:
                _keep(plans, shape, plan)
            for code, message_id, label, message in faults:
                run.error(code, message_id, (where, label, None) if label else where, message)
        for key, is_valid in values:
            if not is_valid(node[key]):
                explain(value_of(name, key, aspects), node[key], where, run)
        if parts is None:
            return
        singles, lists, rules, invariants = parts
        for key, label, child in singles:
            child(node[key], (where, label, None), run)
        for key, label, child in lists:
            items = node[key]
            if type(items) is list and len(items) == 1:
                child(items[0], (where, label, 0), run)
            else:
                _check_list(items, label, child, where, run)
        for rule in rules:
            rule(node, where, run)
        if invariants and run.errors == errors:
            for rule in invariants:
                rule(node, where, run)

    return check


def _keep(plans: dict[Shape, Plan], shape: Shape, plan: Plan) -> None:
    """Keep a plan; when there are too many, start anew, so that odd input costs memory only briefly."""
    if len(plans) >= PLANS_MAX:
        plans.clear()
    plans[shape] = plan


def _check_list(items: Any, label: str, child: Check, where: Where, run: Findings) -> None:
    if type(items) is not list:
        message = "The element may repeat; write an array [ ]."
        run.error("structure", "expected-array", (where, label, None), message)
    elif not items:
        empty_array((where, label, None), run)
    else:
        for index, item in enumerate(items):
            child(item, (where, label, index), run)


def _not_an_object(node: Any, name: str, where: Where, run: Findings) -> None:
    if type(node) is list:
        run.error(
            "structure", "unexpected-array", where, "The element does not repeat; write one object { }."
        )
    elif node is None:
        run.error("structure", "null-value", where, "null is no value; leave it out.")
    else:
        message = f"A {name} is an object {{ }}, not {quote(node)}."
        run.error("structure", "wrong-type", where, message)


def make_plan(name: str, shape: Shape, aspects: Aspect, facets: Facets) -> tuple[Plan, list[Fault]]:
    """Return how to check the objects of a shape, and what is wrong with the shape itself."""
    known = properties(name)
    faults = shape_faults(name, shape, is_sibling=facets.is_sibling)
    values: list[tuple[str, Predicate]] = []
    singles: list[tuple[str, str, Check]] = []
    lists: list[tuple[str, str, Check]] = []
    rules: list[Rule] = []
    for key in shape:
        prop = known.get(key.removeprefix("_"))
        if prop is None:
            continue
        if _is_primitive(prop.type.code):
            if key[0] == "_":
                element = compile_type("Element", aspects, Facets(is_sibling=True))
                rules.append(sibling_rule(prop.key, value_of(name, prop.key, aspects), element))
            elif "_" + key not in shape or prop.element.max == 1:
                values.append((key, value_of(name, prop.key, aspects).predicate()))
        elif key[0] != "_":
            child = (key, label_of(prop), _compile_child(prop.element, prop.type, aspects))
            (singles if prop.element.max == 1 else lists).append(child)
    rules += _type_rules(name, shape, aspects, facets)
    invariants: list[Rule] = []
    if Aspect.INVARIANTS in aspects:
        broken, invariants = invariant_rules(
            (*invariants_of(name), *facets.invariants), name, _names(shape, known)
        )
        rules += broken
    parts = Parts(tuple(singles), tuple(lists), tuple(rules), tuple(invariants))
    return Plan(tuple(values), parts if any(parts) else None), faults


def _names(shape: Shape, known: Mapping[str, Property]) -> frozenset[str]:
    """Return the names of the elements that are present."""
    return frozenset(known[key].element.name for raw in shape if (key := raw.removeprefix("_")) in known)


@cache
def _is_primitive(name: str) -> bool:
    definition = type_definition(name)
    return definition is not None and definition.kind == "primitive"


@cache
def _is_resource(name: str) -> bool:
    definition = type_definition(name)
    return definition is not None and definition.kind == "resource"


def _compile_child(element: Element, reference: TypeRef, aspects: Aspect) -> Check:
    if reference.code == "Resource":
        return compile_contained(aspects) if element.name == "contained" else compile_resource(aspects)
    profiled = tuple(rule for profile in reference.profiles for rule in profile_invariants(profile))
    targets = reference.target_profiles if reference.code == "Reference" else ()
    return compile_type(
        reference.code, aspects, Facets(targets, element.binding, element.invariants + profiled)
    )


def _type_rules(name: str, shape: Shape, aspects: Aspect, facets: Facets) -> list[Rule]:
    rules: list[Rule] = []
    if name == "Extension" and "url" in shape:
        rules.append(extension_address)
    if name == "Narrative" and "div" in shape and Aspect.NARRATIVE in aspects:
        rules.append(check_narrative)
    if name == "Bundle.entry" and "fullUrl" in shape:
        rules.append(check_full_url)
    if name == "Attachment" and "data" in shape and "size" in shape:
        rules.append(check_size)
    if name == "Reference" and Aspect.REFERENCES in aspects:
        if "reference" in shape:
            rules.append(reference_rule(facets.targets))
        if "type" in shape:
            rules.append(stated_type_rule(facets.targets))
    if "id" in shape and name not in SHARED and not _is_resource(name):
        rules.append(check_element_id)
    if "contained" in shape and Aspect.INVARIANTS in aspects:
        rules.append(check_contained)
    if Aspect.BINDINGS in aspects and (rule := binding_rule(facets.binding, name)) is not None:
        rules.append(rule)
    return rules


@cache
def compile_resource(aspects: Aspect) -> Check:
    """Return the check for a resource of any type that stands for itself."""
    checks: dict[str, Check] = {}

    def check(node: Any, where: Where, run: Findings) -> None:  # Any: whatever was sent
        inner = checks.get(_type_name(node)) or _find_check(node, where, run, checks, aspects)
        if inner is not None:
            around = run.resource, run.container
            run.resource = run.container = node
            inner(node, where, run)
            run.resource, run.container = around

    return check


@cache
def compile_contained(aspects: Aspect) -> Check:
    """Return the check for a resource that is contained in another."""
    checks: dict[str, Check] = {}

    def check(node: Any, where: Where, run: Findings) -> None:  # Any: whatever was sent
        inner = checks.get(_type_name(node)) or _find_check(node, where, run, checks, aspects)
        if inner is not None:
            around = run.resource
            run.resource = node
            inner(node, where, run)
            run.resource = around

    return check


def _type_name(node: Any) -> str:  # Any: whatever was sent
    name = node.get("resourceType") if type(node) is dict else None
    return name if type(name) is str else ""


def _find_check(
    node: Any, where: Where, run: Findings, checks: dict[str, Check], aspects: Aspect
) -> Check | None:  # Any: whatever was sent
    """Return the check for a resource and remember it by its type; report what is no resource."""
    name = _type_name(node)
    if name in resource_types():
        return checks.setdefault(name, compile_type(name, aspects))
    if type(node) is not dict:
        _not_an_object(node, "resource", where, run)
    elif "resourceType" not in node:
        run.error("structure", "resource-type-missing", where, "A resource needs a resourceType; add it.")
    else:
        message = f"{quote(node['resourceType'])} is not a resource type of FHIR R4; correct resourceType."
        run.error("structure", "resource-type-unknown", where, message)
    return None
