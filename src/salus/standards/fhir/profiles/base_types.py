"""The snapshots of R4's own types out of the shipped tables, for a machine that has no core package."""

from __future__ import annotations

from salus.standards.fhir.model import Element, Invariant, TypeRef, invariants_of, type_definition
from salus.standards.fhir.profiles.tree import Json, Node

CORE = "http://hl7.org/fhir/StructureDefinition/"


def base_tree(name: str) -> Node | None:
    """Return the elements of a type, backbone elements with theirs; None for names that are no type."""
    definition = type_definition(name)
    if definition is None or definition.kind == "backbone":
        return None
    facts: Json = {"min": 0, "max": "*", "constraint": _constraints(invariants_of(name))}
    return Node(facts, _below(name))


def _below(name: str) -> dict[str, Node]:
    definition = type_definition(name)
    found = {}
    for element in definition.elements.values() if definition else ():
        step = element.name + ("[x]" if element.choice else "")
        code = element.types[0].code
        row = type_definition(code)
        is_backbone = row is not None and row.kind == "backbone" and not element.content_reference
        facts = _facts(element)
        if is_backbone and row is not None:
            facts["type"] = [{"code": row.base}]
            facts["constraint"] = _constraints((*invariants_of(code), *element.invariants))
        found[step] = Node(facts, _below(code) if is_backbone else {})
    return found


def _facts(element: Element) -> Json:
    facts: Json = {"min": element.min, "max": "*" if element.max is None else str(element.max)}
    if element.content_reference:
        facts["contentReference"] = f"#{element.content_reference}"
    else:
        facts["type"] = [_type(one) for one in element.types]
    if element.binding:
        facts["binding"] = {"strength": element.binding.strength, "valueSet": element.binding.value_set}
    if element.invariants:
        facts["constraint"] = _constraints(element.invariants)
    if element.is_modifier:
        facts["isModifier"] = True
    return facts


def _type(reference: TypeRef) -> Json:
    row: Json = {"code": reference.code}
    if reference.target_profiles:
        row["targetProfile"] = [CORE + name for name in reference.target_profiles]
    if reference.profiles:
        row["profile"] = [CORE + name for name in reference.profiles]
    return row


def _constraints(invariants: tuple[Invariant, ...]) -> list[Json]:
    return [{"key": one.key, "severity": one.severity, "expression": one.expression} for one in invariants]
