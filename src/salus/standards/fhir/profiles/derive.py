"""From a snapshot to rules: what a profile says beyond what base validation checks anyway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from salus.standards.fhir.model import Element, Invariant, TypeRef, invariants_of, type_definition
from salus.standards.fhir.packages.definitions import Json
from salus.standards.fhir.profiles.base_types import CORE
from salus.standards.fhir.profiles.facts import (
    NOTHING,
    BindingRule,
    Context,
    Discriminator,
    Profile,
    Rules,
    Slicing,
    TypeRule,
)
from salus.standards.fhir.profiles.tree import Node

_UNBOUNDED = "*"
_PRIMITIVE_VALUE = "value"

_RELAXED = frozenset({"http://hl7.org/fhir/ValueSet/ucum-vitals-common"})
"""Value sets that 4.0.1 binds as required, though they lack L/min, the flow beside oxygen saturation.

The reference validator takes the binding as extensible too.
"""


def derive(definition: Json, tree: Node, package: str = "") -> Profile:
    """Return the rules of a profile.

    Args:
        definition: the facts of its StructureDefinition.
        tree: its elements, complete (`snapshot.Snapshots`).
        package: name#version of the package that holds it.
    """
    name = str(definition.get("type", "")).removeprefix(CORE)
    rules = _node_rules(tree, None, (name,))
    return Profile(
        url=str(definition["url"]),
        type=name,
        version=str(definition.get("version", "")),
        package=package,
        kind=str(definition.get("kind", "resource")),
        is_abstract=bool(definition.get("abstract")),
        base=str(definition.get("baseDefinition", "")),
        contexts=tuple(
            Context(str(row.get("type", "")), str(row.get("expression", "")))
            for row in definition.get("context", ())
        ),
        imposes=tuple(definition.get("imposes", ())),
        is_modifier=bool(tree.facts.get("isModifier")),
        rules=msgspec.structs.replace(rules, min=0, max=None, types=()),
    )


def _node_rules(node: Node, base: Element | None, types: tuple[str, ...]) -> Rules:
    """Return the rules of an element.

    Args:
        node: the element with what is below it; slices are `_children`'s.
        base: what the base type says of it, None for a root or an element that it does not know.
        types: names under which the model knows what the element may hold.
    """
    facts = node.facts
    return Rules(
        min=_raised(facts, base),
        max=_lowered(facts, base),
        types=_types(facts.get("type", ()), base),
        fixed=_valued(facts, "fixed"),
        pattern=_valued(facts, "pattern"),
        binding=_binding(facts.get("binding"), base),
        invariants=_invariants(facts.get("constraint", ()), base, types),
        must_support=facts.get("mustSupport") is True,
        languages=tuple(facts.get("languageControl", ())),
        length_min=facts.get("minLength"),
        length_max=facts.get("maxLength"),
        least=_valued(facts, "minValue"),
        greatest=_valued(facts, "maxValue"),
        slicing=_slicing(facts.get("slicing")),
        children=_children(node, types),
    )


def _children(node: Node, types: tuple[str, ...]) -> dict[str, Rules]:
    found: dict[str, Rules] = {}
    for step, below in node.below.items():
        name, _, cut = step.partition(":")
        base, inner = _known(name.removesuffix("[x]"), types)
        if base is not None and not _is_primitive_value(name, types):
            narrowed = _narrowed(below, base, inner)
            rules = _node_rules(below, base, narrowed)
            plain = name.removesuffix("[x]")
            if not cut:
                found[plain] = rules
            else:
                _put_slice(found, plain, cut, rules)
    told = {name: _without_idle_slicing(rules) for name, rules in found.items()}
    return {name: rules for name, rules in told.items() if rules != NOTHING}


def _without_idle_slicing(rules: Rules) -> Rules:
    """Leave out a slicing that divides nothing and forbids nothing."""
    if rules.slicing is None or rules.slices or rules.slicing.rules == "closed":
        return rules
    return msgspec.structs.replace(rules, slicing=None)


def _put_slice(found: dict[str, Rules], name: str, cut: str, rules: Rules) -> None:
    """Put a slice below its element, or, where its name has a /, below the slice that it divides."""
    around = found.get(name, NOTHING)
    rules = subtract(rules, around)
    outer, _, inner = cut.rpartition("/")
    if outer and outer in around.slices:
        middle = around.slices[outer]
        rules = subtract(rules, middle)
        middle = msgspec.structs.replace(middle, slices=middle.slices | {inner: rules})
        slices = around.slices | {outer: middle}
    else:
        slices = around.slices | {cut: rules}
    found[name] = msgspec.structs.replace(around, slices=slices)


def subtract(rules: Rules, around: Rules) -> Rules:
    """Return the rules of a slice without those that hold for every occurrence anyway."""
    children = {
        name: subtract(below, around.children[name]) if name in around.children else below
        for name, below in rules.children.items()
    }
    known = set(around.invariants)
    return msgspec.structs.replace(
        rules,
        invariants=tuple(one for one in rules.invariants if one not in known),
        binding=None if rules.binding == around.binding else rules.binding,
        types=() if rules.types == around.types else rules.types,
        children={
            name: below
            for name, below in children.items()
            if below != NOTHING and not (name in around.children and below == _husk(below))
            if rules.children[name] != around.children.get(name)
        },
    )


def _husk(rules: Rules) -> Rules:
    """Return what is left of rules that say nothing of their own: how often, and what must be supported."""
    return Rules(must_support=rules.must_support)


def _known(name: str, types: tuple[str, ...]) -> tuple[Element | None, tuple[str, ...]]:
    """Return what the model says of a child, and the names of the types that the child may have."""
    for one in types:
        definition = type_definition(one)
        element = definition.elements.get(name) if definition else None
        if element is not None:
            return element, tuple(reference.code for reference in element.types)
    return None, ()


def _is_primitive_value(name: str, types: tuple[str, ...]) -> bool:
    definition = type_definition(types[0]) if len(types) == 1 else None
    return name == _PRIMITIVE_VALUE and definition is not None and definition.kind == "primitive"


def _narrowed(node: Node, base: Element, inner: tuple[str, ...]) -> tuple[str, ...]:
    """Return the types that remain: named ones of the profile, or the model's own for backbone elements."""
    codes = [str(row.get("code", "")) for row in node.facts.get("type", ())]
    if not codes or any(_is_backbone(one.code) for one in base.types):
        return inner
    return tuple(codes)


def _is_backbone(name: str) -> bool:
    definition = type_definition(name)
    return definition is not None and definition.kind == "backbone"


def _raised(facts: Json, base: Element | None) -> int:
    least = facts.get("min", 0)
    return least if isinstance(least, int) and (base is None or least > base.min) else 0


def _lowered(facts: Json, base: Element | None) -> int | None:
    most = str(facts.get("max", _UNBOUNDED))
    if most == _UNBOUNDED or not most.isdigit():
        return None
    return int(most) if base is None or base.max is None or int(most) < base.max else None


def _types(rows: Iterable[Json], base: Element | None) -> tuple[TypeRule, ...]:
    if base is not None and any(_is_backbone(one.code) for one in base.types):
        profiles = tuple(name for row in rows for name in row.get("profile", ()))
        return (TypeRule(base.types[0].code, profiles),) if profiles else ()
    found = tuple(
        TypeRule(
            code=str(row.get("code", "")),
            profiles=tuple(row.get("profile", ())),
            targets=tuple(row.get("targetProfile", ())),
            aggregation=tuple(row.get("aggregation", ())),
        )
        for row in rows
    )
    if base is not None and (
        base.name == "id" or {_plain(one) for one in found} == {_of_base(one) for one in base.types}
    ):
        return ()
    return found


def _plain(rule: TypeRule) -> object:
    if rule.aggregation:
        return rule
    targets = frozenset(one.partition("|")[0] for one in rule.targets) - {CORE + "Resource"}
    return rule.code, frozenset(rule.profiles), targets


def _of_base(reference: TypeRef) -> object:
    return (
        reference.code,
        frozenset(CORE + name for name in reference.profiles),
        frozenset(CORE + name for name in reference.target_profiles),
    )


def _valued(facts: Mapping[str, Any], prefix: str) -> tuple[Any, ...]:
    """Return the one value of fixed[x], pattern[x], minValue[x] or maxValue[x]."""
    return next(
        (
            (value,)
            for key, value in facts.items()
            if key.startswith(prefix) and key[len(prefix) :][:1].isupper()
        ),
        (),
    )


def _binding(row: Json | None, base: Element | None) -> BindingRule | None:
    strength = row.get("strength") if row else None
    if row is None or strength not in ("required", "extensible", "preferred"):
        largest = str(row.get("maxValueSet", "")) if row else ""
        return BindingRule("example", "", largest) if largest else None
    value_set = str(row.get("valueSet", ""))
    is_relaxed = strength == "required" and _unversioned(value_set) in _RELAXED
    found = BindingRule("extensible" if is_relaxed else strength, value_set, str(row.get("maxValueSet", "")))
    known = base.binding if base is not None else None
    is_known = known is not None and _unversioned(known.value_set) == _unversioned(found.value_set)
    is_base = is_known and known is not None and known.strength == strength
    if not found.largest and (is_base or strength == "preferred"):
        return None
    return found if found.value_set or found.largest else None


def _unversioned(canonical: str) -> str:
    return canonical.partition("|")[0]


def _invariants(rows: Iterable[Json], base: Element | None, types: tuple[str, ...]) -> tuple[Invariant, ...]:
    known = {one.key for name in types for one in invariants_of(name)}
    if base is not None:
        known |= {one.key for one in base.invariants}
    return tuple(
        Invariant(str(row["key"]), row["severity"], str(row["expression"]))
        for row in rows
        if row.get("expression")
        and row.get("severity") in ("error", "warning")
        and row["key"] not in known
        and row["key"] not in ("ele-1", "ext-1")
    )


def _slicing(row: Json | None) -> Slicing | None:
    if row is None:
        return None
    return Slicing(
        discriminators=tuple(
            Discriminator(one["type"], str(one["path"])) for one in row.get("discriminator", ())
        ),
        rules=row.get("rules", "open"),
        ordered=row.get("ordered") is True,
    )
