"""Names of types, and the questions is, as and ofType (FHIRPath N1, section 6.3; R4 fhirpath.html)."""

from __future__ import annotations

from functools import cache
from typing import Any

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath.navigate import is_a, is_primitive
from salus.standards.fhir.fhirpath.values import Node, TypeInfo, system_type
from salus.standards.fhir.model import ancestors, type_definition

SYSTEM_TYPES = frozenset(
    {"Any", "Boolean", "String", "Integer", "Long", "Decimal", "Date", "DateTime", "Time", "Quantity"}
)


@cache
def resolve_type(name: str, position: int | None = None) -> tuple[str, ...]:
    """Return the types that a name may mean, "System.String" or a FHIR type's name.

    Without namespace "Quantity" means either one, "boolean" FHIR's and "Boolean" System's.

    Raises:
        InvalidExpression: no type has that name.
    """
    namespace, _, bare = name.rpartition(".")
    if namespace not in ("", "FHIR", "System"):
        namespace, bare = "FHIR", name
    found = []
    if namespace != "System" and type_definition(bare) is not None:
        found.append(bare)
    if namespace != "FHIR" and bare in SYSTEM_TYPES:
        found.append(f"System.{bare}")
    if namespace == "System" and not found and type_definition(bare) is not None:
        return ()
    if not found:
        raise InvalidExpression(f"There is no type {name!r}", position=position)
    return tuple(found)


@cache
def resolve_loosely(name: str, position: int | None = None) -> tuple[str, ...]:
    """Return the types as the rules of R4 mean them: there "Boolean" is FHIR's boolean too (rule que-7).

    Raises:
        InvalidExpression: no type has that name.
    """
    found = resolve_type(name, position)
    lowered = name[:1].lower() + name[1:]
    return (*found, lowered) if name in SYSTEM_TYPES and is_primitive(lowered) else found


def is_of(item: Any, names: tuple[str, ...]) -> bool:  # any Item
    """Return whether the item's type is one of the types or specialises it."""
    if isinstance(item, Node):
        return any(is_a(item.type, name) for name in names)
    if isinstance(item, TypeInfo):
        return False
    return f"System.{system_type(item)}" in names or "System.Any" in names


def is_cast(item: Any, names: tuple[str, ...]) -> bool:  # any Item
    """Return whether as and ofType keep the item: a primitive only as exactly its type."""
    if isinstance(item, Node) and is_primitive(item.type):
        return item.type in names
    return is_of(item, names)


def type_info(item: Any) -> TypeInfo:  # any Item
    """Return what type() says of an item."""
    if not isinstance(item, Node):
        return TypeInfo("System", system_type(item), "System.Any")
    definition = type_definition(item.type)
    if definition is not None and definition.kind == "backbone":
        return TypeInfo("FHIR", item.type, "FHIR.BackboneElement")
    bases = ancestors(item.type)[1:2]
    return TypeInfo("FHIR", item.type, f"FHIR.{bases[0]}" if bases else "System.Any")
