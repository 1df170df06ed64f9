"""Checks of primitive values: alone, in arrays, and together with their `_key` sibling.

R4, json.html#primitive.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from salus.standards.fhir.model import Property, properties, value_set_codes
from salus.standards.fhir.validation.aspects import Aspect
from salus.standards.fhir.validation.foreign_codes import CURRENCIES, MIME_TYPES, currencies, is_media_type
from salus.standards.fhir.validation.issue import Findings, Where, quote
from salus.standards.fhir.validation.primitives import PRIMITIVES, Predicate, Primitive

Rule = Callable[[dict[str, Any], Where, Findings], None]  # Any: FHIR JSON
Check = Callable[[Any, Where, Findings], None]  # Any: a JSON value of whatever type was sent


class Value(msgspec.Struct, frozen=True):
    """What is needed to judge the value of a primitive element.

    Args:
        label: the element in a FHIRPath expression.
        many: whether JSON writes an array.
        primitive: the type.
        type: the type's name.
        is_member: whether a code is in the required value set; None without such a binding.
        value_set: canonical of that value set.
    """

    label: str
    many: bool
    primitive: Primitive
    type: str
    is_member: Predicate | None
    value_set: str

    def is_valid(self) -> Predicate:
        """Return the predicate for one value."""
        valid, member = self.primitive.is_valid, self.is_member
        if member is None:
            return valid
        return lambda value: type(value) is str and member(value)

    def predicate(self) -> Predicate:
        """Return the predicate for the JSON value of the key, an array where the element repeats."""
        valid = self.is_valid()
        if not self.many:
            return valid
        return lambda value: type(value) is list and len(value) > 0 and all(map(valid, value))


def label_of(prop: Property) -> str:
    """Return the step of a FHIRPath expression that leads to a property."""
    return f"{prop.element.name}.ofType({prop.type.code})" if prop.element.choice else prop.element.name


@cache
def value_of(type_name: str, key: str, aspects: Aspect) -> Value:
    """Return how to judge a primitive property of a type."""
    prop = properties(type_name)[key]
    binding = prop.element.binding
    member = None
    if binding and binding.strength == "required" and Aspect.BINDINGS in aspects and prop.type.code != "uri":
        member = _member_of(type_name, binding.value_set)
    return Value(
        label=label_of(prop),
        many=prop.element.max != 1,
        primitive=PRIMITIVES[prop.type.code],
        type=prop.type.code,
        is_member=member,
        value_set=binding.value_set if binding and member else "",
    )


def _member_of(type_name: str, value_set: str) -> Predicate | None:
    """Return whether a code is in a value set; None where R4 does not determine its codes.

    The two that other standards determine are judged by those. R4 lets a CapabilityStatement name its formats
    by short words, as "json".
    """
    if value_set == MIME_TYPES:
        return None if type_name == "CapabilityStatement" else is_media_type
    if value_set == CURRENCIES:
        return currencies().__contains__
    systems = value_set_codes(value_set)
    return None if systems is None else frozenset[str]().union(*systems.values()).__contains__


def explain(value: Value, found: Any, where: Where, run: Findings) -> None:  # Any: whatever was sent
    """Report what is wrong with the JSON value of a primitive element's key."""
    if not value.many:
        if type(found) is list:
            place = (where, value.label, None)
            run.error("structure", "unexpected-array", place, "The element does not repeat; write one value.")
        else:
            _explain_one(value, found, (where, value.label, None), run)
    elif type(found) is not list:
        message = "The element may repeat; write its values in an array [ ]."
        run.error("structure", "expected-array", (where, value.label, None), message)
    elif not found:
        empty_array((where, value.label, None), run)
    else:
        valid = value.is_valid()
        for index, item in enumerate(found):
            if not valid(item):
                _explain_one(value, item, (where, value.label, index), run)


def empty_array(where: Where, run: Findings) -> None:
    """Report an array without items."""
    run.error("structure", "empty-array", where, "An array must not be empty; leave the key out instead.")


def _explain_one(value: Value, found: Any, where: Where, run: Findings) -> None:  # Any: whatever was sent
    primitive = value.primitive
    if found is None:
        message = "null is no value; leave the key out, or in an array give its place an extension."
        run.error("structure", "null-value", where, message)
    elif not isinstance(found, primitive.json) or (type(found) is bool and primitive.json is not bool):
        message = (
            f"{_article(value.type)} {value.type} is expected here, not {_shown(found, primitive)}; "
            f"write {primitive.form}{_quotes(found, primitive)}."
        )
        run.error("structure", "wrong-type", where, message)
    elif found == "":
        run.error(
            "structure", "empty-string", where, "A string must not be empty; leave the key out instead."
        )
    elif value.is_member is not None and primitive.is_valid(found):
        message = f"{quote(found)} is not in the required value set {value.value_set}; use one of its codes."
        run.error("code-invalid", "binding-required", where, message)
    else:
        message = f"{quote(found)} is not a valid {value.type}; write {primitive.form}."
        run.error("value", f"format-{value.type}", where, message)


def _article(type_name: str) -> str:
    return "An" if type_name.startswith(("i", "o", "uns")) else "A"


def _shown(found: Any, primitive: Primitive) -> str:  # Any: whatever was sent
    """Return a value of the wrong type as a message names it; XML has no types, so text is only quoted."""
    if isinstance(found, str):
        return quote(found)
    names = {dict: "an object", list: "an array", bool: "true or false", type(None): "null"}
    number = "a number with a decimal point or an exponent" if primitive.json is int else "a number"
    return names.get(type(found), number)


def _quotes(found: Any, primitive: Primitive) -> str:  # Any: whatever was sent
    """Return what is to be done with quotes, which JSON only has: text is in quotes, nothing else is."""
    if primitive.json is str:
        return ", in quotes"
    return ", in JSON without quotes" if isinstance(found, str) else ""


def sibling_rule(key: str, value: Value, check_element: Check) -> Rule:
    """Return the rule for a primitive's key that has a `_key` sibling with its id or extensions."""
    single = _single_sibling if not value.many else _many_siblings

    def rule(node: dict[str, Any], where: Where, run: Findings) -> None:
        single(node.get(key), node["_" + key], value, (where, check_element, run))

    return rule


_Around = tuple[Where, Check, Findings]


def _single_sibling(found: Any, extra: Any, value: Value, around: _Around) -> None:  # Any: whatever was sent
    where, check_element, run = around
    place = (where, value.label, None)
    if type(extra) is not dict:
        run.error(
            "structure", "sibling-type", place, "The '_' sibling must be an object with id or extension."
        )
        return
    check_element(extra, place, run)
    if found is None and "extension" not in extra:
        run.error(
            "invariant", "ele-1", place, "An element needs a value or an extension; add one or remove it."
        )


def _many_siblings(found: Any, extra: Any, value: Value, around: _Around) -> None:  # Any: whatever was sent
    where, check_element, run = around
    place = (where, value.label, None)
    values = [None] * len(extra) if found is None and type(extra) is list else found
    if type(extra) is not list or type(values) is not list or not values or len(values) != len(extra):
        message = "The value and its '_' sibling must be arrays of the same length; fill the gaps with null."
        run.error("structure", "sibling-length", place, message)
        return
    valid = value.is_valid()
    for index, (item, more) in enumerate(zip(values, extra, strict=True)):
        here = (where, value.label, index)
        if more is not None:
            _single_sibling(
                item, more, msgspec.structs.replace(value, many=False), (where, check_element, run)
            )
        elif item is None:
            run.error("structure", "null-value", here, "Neither a value nor an extension is here; remove it.")
        if item is not None and not valid(item):
            _explain_one(value, item, here, run)
