"""The FHIR R4 (4.0.1) definitions as values, read lazily from tables/ (see tables/PROVENANCE.md).

Every type that has elements has a name to ask for: "Patient", "HumanName", "code", and, for what is defined
inside another type, its path: "Patient.contact". The `TypeRef.code` of an element is always such a name, also
for backbone elements ("Patient.contact") and content references ("Questionnaire.item"), so that a walk never
needs a special case; whether it is a BackboneElement says `TypeDefinition.base`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

import msgspec


class Invariant(msgspec.Struct, frozen=True):
    """A rule in FHIRPath that holds for the element that states it."""

    key: str
    severity: Literal["error", "warning"]
    expression: str
    best_practice: bool = False


class Binding(msgspec.Struct, frozen=True):
    """The value set that coded content is taken from (example bindings are left out)."""

    strength: Literal["required", "extensible", "preferred"]
    value_set: str


class TypeRef(msgspec.Struct, frozen=True):
    """One type that an element may have.

    Args:
        code: a name that `type_definition` knows.
        target_profiles: for references and canonicals: names of the target types, () = any.
        profiles: names of profiles that constrain the type further ("SimpleQuantity").
    """

    code: str
    target_profiles: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()


class Element(msgspec.Struct, frozen=True):
    """One element of a type.

    Args:
        name: as in JSON, without the type for a choice ("value" for value[x]).
        types: at least one; several only for a choice.
        min, max: cardinality; max None stands for *.
        content_reference: path of the element whose content this one shares, "" for none.
        xml_attribute: written as an attribute in XML.
        invariants: rules that this element states beyond those of its type.
    """

    name: str
    types: tuple[TypeRef, ...]
    min: int = 0
    max: int | None = None
    choice: bool = False
    binding: Binding | None = None
    content_reference: str = ""
    is_modifier: bool = False
    is_summary: bool = False
    xml_attribute: bool = False
    invariants: tuple[Invariant, ...] = ()


class Property(msgspec.Struct, frozen=True):
    """A key that a type's JSON object may have, with the element and the one type it stands for."""

    key: str
    element: Element
    type: TypeRef


class TypeDefinition(msgspec.Struct, frozen=True):
    """A type with its elements in the order of the standard, which is the order of XML.

    Args:
        base: name of the type it specialises, "" for Element and Resource.
        regex: form of the value, for a primitive that has one.
        elements: by element name, inherited ones included; a primitive has "id" and "extension".
        invariants: those stated here; `invariants_of` adds the inherited ones.
    """

    name: str
    kind: Literal["resource", "complex", "primitive", "backbone"]
    base: str
    abstract: bool
    regex: str
    elements: Mapping[str, Element]
    invariants: tuple[Invariant, ...]


class SearchComponent(msgspec.Struct, frozen=True):
    """One part of a composite search parameter: the canonical of its definition, and where to find it."""

    definition: str
    expression: str


class SearchParameterRow(msgspec.Struct, frozen=True):
    """A SearchParameter as the standard defines it; the 16 without expression have ""."""

    url: str
    code: str
    type: str
    base: tuple[str, ...] = ()
    expression: str = ""
    target: tuple[str, ...] = ()
    components: tuple[SearchComponent, ...] = ()
    usage: str = ""
    multiple_or: bool = True


class _TypeRow(msgspec.Struct, frozen=True):
    """A row of types.json."""

    name: str
    kind: Literal["resource", "complex", "primitive", "backbone"]
    base: str = ""
    abstract: bool = False
    regex: str = ""
    elements: tuple[Element, ...] = ()
    invariants: tuple[Invariant, ...] = ()


def _table(name: str) -> bytes:
    return resources.files(__package__).joinpath("tables", name).read_bytes()


@cache
def _type_rows() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(_table("types.json"), type=dict[str, msgspec.Raw])


@cache
def type_definition(name: str) -> TypeDefinition | None:
    """Return the definition of a type or of an element with content of its own, None for unknown names."""
    raw = _type_rows().get(name)
    if raw is None:
        return None
    row = msgspec.json.decode(raw, type=_TypeRow)
    return TypeDefinition(
        name=row.name,
        kind=row.kind,
        base=row.base,
        abstract=row.abstract,
        regex=row.regex,
        elements={element.name: element for element in row.elements},
        invariants=row.invariants,
    )


@cache
def type_names() -> tuple[str, ...]:
    """Return every name that `type_definition` knows."""
    return tuple(_type_rows())


@cache
def resource_types() -> frozenset[str]:
    """Return the names of the resource types that can be instantiated."""
    prefix = b'"kind":"resource"'
    found = (name for name, raw in _type_rows().items() if prefix in bytes(raw)[:120])
    return frozenset(found) - {"Resource", "DomainResource"}


@cache
def ancestors(name: str) -> tuple[str, ...]:
    """Return the type's name and those it specialises, the nearest first."""
    definition = type_definition(name)
    if definition is None:
        return ()
    return (name, *ancestors(definition.base))


@cache
def invariants_of(name: str) -> tuple[Invariant, ...]:
    """Return the invariants of a type, its own first, then the inherited ones."""
    found: list[Invariant] = []
    for ancestor in ancestors(name):
        definition = type_definition(ancestor)
        found.extend(definition.invariants if definition else ())
    return tuple(found)


@cache
def properties(name: str) -> Mapping[str, Property]:
    """Return the keys of a type's JSON object, choices spelled out ("valueQuantity"), without "_" keys."""
    definition = type_definition(name)
    found: dict[str, Property] = {}
    for element in definition.elements.values() if definition else ():
        for reference in element.types:
            suffix = reference.code[0].upper() + reference.code[1:] if element.choice else ""
            key = element.name + suffix
            found[key] = Property(key, element, reference)
    return found


@cache
def profile_invariants(profile: str) -> tuple[Invariant, ...]:
    """Return the rules of a profile that base elements name (SimpleQuantity), () for others."""
    return msgspec.json.decode(_table("profiles.json"), type=dict[str, tuple[Invariant, ...]]).get(
        profile, ()
    )


@cache
def search_parameters() -> tuple[SearchParameterRow, ...]:
    """Return every SearchParameter of R4, ordered by canonical address."""
    return msgspec.json.decode(_table("search_parameters.json"), type=tuple[SearchParameterRow, ...])


@cache
def compartments() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return for each compartment ("Patient") and type the search parameters that tie the type to it."""
    return msgspec.json.decode(_table("compartments.json"), type=dict[str, dict[str, tuple[str, ...]]])


@cache
def _value_set_rows() -> dict[str, dict[str, tuple[str, ...] | None]]:
    return msgspec.json.decode(_table("value_sets.json"), type=dict[str, dict[str, tuple[str, ...] | None]])


@cache
def _system_rows() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(_table("code_systems.json"), type=dict[str, msgspec.Raw])


@cache
def system_codes(url: str) -> frozenset[str] | None:
    """Return the codes of a code system, None when the tables do not hold all of them."""
    raw = _system_rows().get(url)
    return None if raw is None else msgspec.json.decode(raw, type=frozenset[str])


@cache
def value_set_codes(canonical: str) -> Mapping[str, frozenset[str]] | None:
    """Return a value set's codes by system ("|version" is ignored).

    None means that the package does not determine the content (SNOMED CT, LOINC, UCUM, BCP 47 ...):
    the code may or may not be a member.
    """
    rows = _value_set_rows().get(canonical.split("|")[0])
    if rows is None:
        return None
    return {
        system: (system_codes(system) or frozenset()) if codes is None else frozenset(codes)
        for system, codes in rows.items()
    }
