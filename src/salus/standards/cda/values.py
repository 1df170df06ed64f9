"""Quantities and values of any type: PQ, IVL_PQ, RTO, INT, REAL, BL, ST, ED, TS, IVL_TS, CD, MO to FHIR."""

from __future__ import annotations

import re
from decimal import Decimal

from salus.standards.cda.absent import absent
from salus.standards.cda.coded import concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.node import Node
from salus.standards.cda.times import is_ordered
from salus.standards.fhir.fhirpath.units import is_known

UCUM = "http://unitsofmeasure.org"
_DECIMAL = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
_SCIENTIFIC = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?[eE][+-]?[0-9]{1,2}", re.ASCII)
_INTEGER_MAX = 2_147_483_647


def number(node: Node | None, attribute: str = "value") -> Decimal | None:
    """Return an attribute as a decimal with its digits; None for none, which then counts as not read."""
    text = node.peek(attribute) if node is not None else ""
    if node is None or not (_DECIMAL.fullmatch(text) or _SCIENTIFIC.fullmatch(text)):
        return None
    node.get(attribute)
    return Decimal(text.lstrip("+"))


def integer(node: Node | None, attribute: str = "value") -> int | None:
    """Return an attribute as a whole number that FHIR takes, None for none."""
    found = number(node, attribute)
    if found is None or found != found.to_integral_value() or abs(found) > _INTEGER_MAX:
        return None
    return int(found)


def quantity(node: Node | None, conversion: Conversion) -> Resource:
    """Return a PQ (or REAL, INT) as Quantity, {} when it states no value.

    The unit is a UCUM code (that is what PQ means); where it is none, it is kept as the unit's name alone. A
    translation's words name the unit as its author saw it.
    """
    if node is None or (value := number(node)) is None:
        return {}
    unit = node.get("unit")
    made: Resource = {"value": value}
    named = next((conversion.text(each.first("originalText")) for each in node.all("translation")), "")
    if unit and is_known(unit):
        made |= {"unit": named or unit, "system": UCUM, "code": unit}
    elif unit:
        made["unit"] = unit
        conversion.approximate(node, "the unit is no UCUM code and is kept as its name", unit)
    elif named:
        made["unit"] = named
    return made


def interval(node: Node | None, conversion: Conversion) -> Resource:
    """Return an IVL_PQ as Range, {} when neither bound has a value."""
    if node is None:
        return {}
    low = quantity(node.first("low"), conversion)
    high = quantity(node.first("high"), conversion)
    return {**({"low": low} if low else {}), **({"high": high} if high else {})}


def is_interval(node: Node) -> bool:
    """Return whether an element states bounds and no value of its own."""
    return "value" not in node.attributes and any(node.first(each) for each in ("low", "high", "center"))


def bounded(node: Node, conversion: Conversion) -> Resource:
    """Return an IVL_PQ as `valueRange`, or with one bound as `valueQuantity` with a comparator."""
    bounds = [(name, node.first(name)) for name in ("low", "high")]
    closed = {name: not (bound and bound.get("inclusive") == "false") for name, bound in bounds}
    found = interval(node, conversion)
    if not found:
        center = quantity(node.first("center"), conversion)
        return {"valueQuantity": center} if center else {}
    if len(found) == 1:
        ((name, only),) = found.items()
        comparator = {"low": (">", ">="), "high": ("<", "<=")}[name][closed[name]]
        return {"valueQuantity": {"value": only["value"], "comparator": comparator, **_but_value(only)}}
    if not all(closed.values()):
        conversion.approximate(node, "a bound that does not belong to the interval is said as if it did")
    return {"valueRange": found}


def _but_value(found: Resource) -> Resource:
    return {key: value for key, value in found.items() if key != "value"}


def ratio(node: Node | None, conversion: Conversion) -> Resource:
    """Return an RTO as Ratio, {} when it lacks a side."""
    if node is None:
        return {}
    sides = {name: quantity(node.first(name), conversion) for name in ("numerator", "denominator")}
    return sides if all(sides.values()) else {}


def period(node: Node | None, conversion: Conversion) -> Resource:
    """Return an IVL_TS (or TS) as Period, {} when it states no time."""
    if node is None:
        return {}
    low, high = node.first("low"), node.first("high")
    single = conversion.moment(node) if low is None and high is None else ""
    made = {"start": conversion.moment(low), "end": conversion.moment(high)}
    if single:
        made = {"start": single, "end": single}
    center = node.first("center")
    if not any(made.values()) and center is not None and (middle := conversion.moment(center)):
        conversion.approximate(node, "the middle of an interval is said as its beginning and end", middle)
        made = {"start": middle, "end": middle}
    found = {key: value for key, value in made.items() if value}
    if not is_ordered(found):
        conversion.approximate(node, "it ends before it begins; the end is left out", found["end"])
        del found["end"]
    return found


def course(node: Node | None, conversion: Conversion) -> Resource:
    """Return from when to when something was there, as Period: a single time is its beginning alone."""
    if node is not None and node.first("low") is None and node.first("high") is None:
        start = conversion.moment(node)
        return {"start": start} if start else {}
    return period(node, conversion)


def occurrence(node: Node | None, conversion: Conversion, stem: str) -> Resource:
    """Return an effectiveTime as `{stem}DateTime` or `{stem}Period`; {} when it states no time."""
    if node is None:
        return {}
    if node.first("low") is None and node.first("high") is None:
        text = conversion.moment(node) or _center(node, conversion)
        return {f"{stem}DateTime": text} if text else {}
    found = period(node, conversion)
    if found.get("start") and found.get("start") == found.get("end"):
        return {f"{stem}DateTime": found["start"]}
    return {f"{stem}Period": found} if found else {}


def _center(node: Node, conversion: Conversion) -> str:
    found = conversion.moment(node.first("center"))
    if found:
        conversion.approximate(node, "the middle of an interval is said as its time", found)
    return found


def stated(node: Node | None, conversion: Conversion, stem: str) -> Resource:
    """Return an effectiveTime as `occurrence` does, or with the reason why it is absent."""
    return occurrence(node, conversion, stem) or {f"_{stem}DateTime": absent(node)}


def any_value(node: Node, conversion: Conversion) -> Resource:
    """Return a <value> as the fitting `value[x]` of an Observation; {} when it has none that can be said."""
    kind = node.get("type").rpartition(":")[2]
    made = _of_type(kind, node, conversion)
    if made or kind in _TYPES:
        return made
    for guess in ("PQ", "CD", "ST"):
        made = _of_type(guess, node, conversion)
        if made:
            return made
    return {}


_TYPES = frozenset(
    [
        "PQ",
        "IVL_PQ",
        "IVL_INT",
        "IVL_REAL",
        "RTO",
        "RTO_PQ_PQ",
        "RTO_QTY_QTY",
        "INT",
        "REAL",
        "BL",
        "ST",
        "SC",
        "ED",
        "TS",
        "IVL_TS",
        "CD",
        "CE",
        "CV",
        "CO",
        "CS",
        "MO",
    ]
)


def _of_type(kind: str, node: Node, conversion: Conversion) -> Resource:
    if kind in ("CD", "CE", "CV", "CO", "CS"):
        found = concept(node, conversion)
        return {"valueCodeableConcept": found} if found else {}
    if kind in ("PQ", "REAL", "MO") and not is_interval(node):
        found = quantity(node, conversion)
        return {"valueQuantity": found} if found else {}
    if kind == "INT" and (whole := integer(node)) is not None:
        return {"valueInteger": whole}
    if kind in ("PQ", "IVL_PQ", "IVL_INT", "IVL_REAL"):
        return bounded(node, conversion)
    if kind.startswith("RTO"):
        found = ratio(node, conversion)
        return {"valueRatio": found} if found else {}
    if kind == "BL" and node.peek("value") in ("true", "false"):
        return {"valueBoolean": node.get("value") == "true"}
    if kind in ("TS", "IVL_TS"):
        return occurrence(node, conversion, "value")
    if kind in ("ST", "SC", "ED"):
        text = conversion.text(node)
        return {"valueString": text} if text else {}
    return {}
