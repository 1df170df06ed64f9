"""Three-valued truth of collections (FHIRPath N1, sections 4.5 and 6.5)."""

from __future__ import annotations

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath.values import Collection, Node


def truth(items: Collection) -> bool | None:
    """Return a collection as a truth value, None for the empty one; an item that is no Boolean is true.

    Raises:
        InvalidExpression: there are several items.
    """
    if not items:
        return None
    if len(items) > 1:
        raise InvalidExpression(f"A truth value is one item, not {len(items)}; use exists() or all()")
    item = items[0]
    value = item.value if isinstance(item, Node) else item
    return value if isinstance(value, bool) else True


def is_true(items: Collection) -> bool:
    """Return whether a criterion holds; the empty collection does not."""
    if items == [True]:
        return True
    return truth(items) is True


def both(left: bool | None, right: bool | None) -> bool | None:
    """Return `left and right`."""
    if left is False or right is False:
        return False
    return True if left and right else None


def either(left: bool | None, right: bool | None) -> bool | None:
    """Return `left or right`."""
    if left or right:
        return True
    return False if left is False and right is False else None


def one_of(left: bool | None, right: bool | None) -> bool | None:
    """Return `left xor right`."""
    return None if left is None or right is None else left != right


def follows(left: bool | None, right: bool | None) -> bool | None:
    """Return `left implies right`."""
    if left is True:
        return right
    if left is False or right is True:
        return True
    return None
