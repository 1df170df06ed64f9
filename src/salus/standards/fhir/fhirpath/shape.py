"""What is known of a collection before evaluation: the types of its items, its size and order."""

from __future__ import annotations

import msgspec

from salus.standards.fhir.fhirpath.navigate import is_a, steps_of
from salus.standards.fhir.model import ancestors, type_definition


class Shape(msgspec.Struct, frozen=True):
    """What a compiled expression can return.

    Args:
        types: names of the types an item may have ("HumanName", "System.String"); None: unknown.
        many: there may be more than one item.
        ordered: the order means something.
    """

    types: frozenset[str] | None = None
    many: bool = True
    ordered: bool = True


UNKNOWN = Shape()
ABSTRACT = frozenset({"Resource", "DomainResource", "Element", "BackboneElement"})


def of_type(name: str, *, many: bool = False) -> Shape:
    """Return the shape of items of one type."""
    return Shape(frozenset({name}), many)


def system(name: str) -> Shape:
    """Return the shape of one System value."""
    return of_type(f"System.{name}")


def step(shape: Shape, name: str) -> Shape | None:
    """Return the shape of the children of that name; None when no type that is possible has such children."""
    if shape.types is None or shape.types & ABSTRACT:
        return Shape(None, many=True, ordered=shape.ordered)
    found: set[str] = set()
    many = shape.many
    for type_name in shape.types:
        if type_name.startswith("System."):
            continue
        steps = steps_of(type_name).get(name, ())
        found.update(one.type for one in steps)
        many = many or any(one.many for one in steps)
    if not found:
        return None
    return Shape(frozenset(found), many, shape.ordered)


def may_be(shape: Shape, names: tuple[str, ...]) -> bool:
    """Return whether an item of the shape can be of one of the types."""
    if shape.types is None:
        return True
    return any(
        is_a(own, name) or is_a(name, own) or own == name or own.removeprefix("System.") == name
        for own in shape.types
        for name in names
    )


def is_type_name(shape: Shape, name: str) -> bool:
    """Return whether a name at the start of a path means the type of the input, not one of its children."""
    if not name[:1].isupper() or type_definition(name) is None:
        return False
    return shape.types is None or any(name in ancestors(own) or own in ABSTRACT for own in shape.types)
