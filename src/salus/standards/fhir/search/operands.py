"""The value part of a search parameter: escapes, prefixes, and one reader for each search type.

Source: FHIR R4 (4.0.1) search.html, 3.1.1.4.6 (prefixes), 3.1.1.5.7 (escapes) and the sections of the types.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import cast

from salus.core.errors import InvalidSearch
from salus.core.identifiers import is_fhir_id
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.search.canonical import scale_of
from salus.standards.fhir.search.parameters import SearchParameter
from salus.standards.fhir.search.query import (
    CompositeValue,
    OfTypeValue,
    Prefix,
    RangeValue,
    ReferenceValue,
    TextValue,
    TokenValue,
)
from salus.standards.fhir.search.references import parse_literal
from salus.standards.fhir.search.values import date_interval, fold

_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_DIGITS_MAX = 40
_NEAR = 0.1
Simple = TokenValue | ReferenceValue | TextValue | RangeValue


def split(text: str, mark: str) -> list[str]:
    r"""Split at a mark that no backslash precedes; the parts keep their escapes."""
    if "\\" not in text:
        return text.split(mark)
    parts, current, escaped = [], "", False
    for character in text:
        if character == mark and not escaped:
            parts.append(current)
            current = ""
        else:
            current += character
        escaped = character == "\\" and not escaped
    return [*parts, current]


def unescape(text: str) -> str:
    r"""Turn `\,`, `\|`, `\$` and `\\` into the character itself; another backslash stays."""
    return re.sub(r"\\([\\,|$])", r"\1", text) if "\\" in text else text


def complaint(name: str, text: str, allowed: str) -> InvalidSearch:
    """Return the error for a value, with at most 80 characters of it and what would be right."""
    return InvalidSearch(f"The value '{text[:80]}' of '{name[:80]}' cannot be read: {allowed}.")


def token_value(name: str, text: str) -> TokenValue:
    """Read `code`, `system|code`, `system|` or `|code`."""
    parts = split(text, "|")
    if len(parts) > 2 or not text or text == "|":
        raise complaint(name, text, "write code, system|code, system| or |code (escape other | as \\|)")
    if len(parts) == 1:
        return TokenValue(None, unescape(parts[0]))
    return TokenValue(unescape(parts[0]), unescape(parts[1]) or None)


def of_type_value(name: str, text: str) -> OfTypeValue:
    """Read `system|code|value` of :of-type."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts[1:]):
        raise complaint(name, text, "write the type's system|code|value of the identifier")
    return OfTypeValue(*parts)


def reference_value(name: str, text: str, *, base: str, type_name: str = "") -> ReferenceValue:
    """Read `id`, `Type/id` or an absolute address; one under `base` is the node's own.

    Args:
        name: the parameter as written.
        text: its value.
        base: the node's own FHIR address, "" when it is not known.
        type_name: the type of :[type].
    """
    plain = unescape(text)
    if base and plain.startswith(base.rstrip("/") + "/"):
        plain = plain[len(base.rstrip("/")) + 1 :]
    if not plain:
        raise complaint(name, text, "write an id, Type/id or an absolute address")
    parsed = parse_literal(plain)
    if parsed.address:
        if parsed.address == plain and is_fhir_id(plain):
            return ReferenceValue(type_name, plain, "")
        return ReferenceValue(parsed.type, "", parsed.address)
    if type_name and parsed.type != type_name:
        raise complaint(name, text, f"the modifier says {type_name}")
    return ReferenceValue(parsed.type, parsed.id, "")


def text_value(name: str, text: str) -> TextValue:
    """Read a string or uri."""
    plain = unescape(text)
    if not plain.strip():
        raise complaint(name, text, "it is empty")
    if "\x00" in plain:
        raise complaint(name, text, "it holds the character NUL")
    return TextValue(plain, fold(plain))


def date_value(name: str, text: str, *, now: datetime | None) -> RangeValue:
    """Read a date with an optional prefix; `ap` widens it by a tenth of its distance from `now`."""
    prefix, rest = _prefixed(text)
    interval = date_interval(rest.replace(" ", "+"))
    if interval is None:
        raise complaint(name, text, "write [prefix]YYYY[-MM[-DD[Thh:mm[:ss[.fff]][Z|+hh:mm]]]], a real date")
    low, high = interval
    if prefix == "ap" and now is not None:
        margin = abs(now.timestamp() - low) * _NEAR
        low, high = low - margin, high + margin
    return RangeValue(prefix, low, high, interval[0])


def number_value(name: str, text: str) -> RangeValue:
    """Read a number with an optional prefix. What it covers follows from its digits: 100 is [99.5, 100.5)."""
    prefix, rest = _prefixed(text)
    if not _NUMBER.fullmatch(rest) or len(rest) > _DIGITS_MAX:
        raise complaint(name, text, f"write [prefix]number with at most {_DIGITS_MAX} characters")
    number = Decimal(rest)
    exact = float(number) if number.adjusted() < 300 else math.inf
    if not math.isfinite(exact) or (number and number.adjusted() < -300):
        raise complaint(name, text, "the number is out of range (1e-300 to 1e300)")
    exponent = cast("int", number.as_tuple().exponent)
    half = Decimal(5).scaleb(max(exponent, -300) - 1)
    low, high = float(number - half), float(number + half)
    if prefix == "ap":
        margin = abs(exact) * _NEAR
        low, high = min(low, exact - margin), max(high, exact + margin)
    return RangeValue(prefix, low, high, exact)


def quantity_value(name: str, text: str) -> RangeValue:
    """Read `[prefix]number`, `[prefix]number|system|code` or `[prefix]number||code`; UCUM in base units."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) not in (1, 3):
        raise complaint(name, text, "write [prefix]number, number|system|code or number||unit")
    value = number_value(name, parts[0])
    if len(parts) == 1:
        return value
    system, code = parts[1] or None, parts[2]
    scale = scale_of(system, code)
    if scale is None:
        return RangeValue(value.prefix, value.low, value.high, value.exact, system, code)
    low, high, exact = map(scale.in_base, (value.low, value.high, value.exact))
    return RangeValue(value.prefix, low, high, exact, system, code, scale.dimension)


def composite_value(
    name: str, text: str, parameter: SearchParameter, read: Callable[[str, str, str], Simple]
) -> CompositeValue:
    """Read `value$value`, each by `read` (search type, name, text) of its component."""
    parts = split(text, "$")
    kinds = [part.type for part in parameter.composites[0].parts]
    if len(parts) != len(kinds) or not all(parts):
        raise complaint(name, text, f"write {'$'.join(kinds)}: {len(kinds)} values joined by $")
    return CompositeValue(tuple(read(kind, name, part) for kind, part in zip(kinds, parts, strict=True)))


def _prefixed(text: str) -> tuple[Prefix, str]:
    match = _PREFIXED.fullmatch(text)
    assert match is not None
    return cast("Prefix", match[1] or "eq"), match[2]


def is_type(name: str) -> bool:
    """Return whether the text names a resource type."""
    return name in resource_types()
