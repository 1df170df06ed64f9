"""Units of measure by UCUM: parse a code, compare dimensions, convert (UCUM 2.1, sections 2-4).

Scales with an offset (Cel, [degF]) are dimensions of their own, which no factor converts: see `offset_scale`.
A unit that the table does not know is its own dimension: equal only to itself.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import msgspec

CODE_LENGTH_MAX = 100
_POWER_MAX = 30
_PART = re.compile(
    r"(?P<ten>10[*^])(?P<ten_power>[+-]?\d+)?"
    r"|(?P<number>\d+)"
    r"|(?P<atom>(?:\[[^\]]*\]|[^\d.+\-/(){}\[\]*^])+)(?P<power>[+-]?\d+)?"
    r"|(?P<symbol>[./()])"
    r"|(?P<note>\{[^}]*\})",
    re.ASCII,
)


class Unit(msgspec.Struct, frozen=True):
    """A unit as a multiple of base units.

    Args:
        factor: how many of the coherent base unit it is.
        powers: base unit and exponent, sorted by name, without zeros.
    """

    factor: Fraction
    powers: tuple[tuple[str, int], ...]


class OffsetScale(msgspec.Struct, frozen=True):
    """A unit of which `base` is (number + offset) * factor."""

    base: str
    factor: Fraction
    offset: Fraction


ONE = Unit(Fraction(1), ())


@cache
def _table() -> dict[str, dict[str, Any]]:  # the TOML as read: strings, or pairs of strings
    body = resources.files(__package__).joinpath("units.toml").read_bytes()
    return msgspec.toml.decode(body, type=dict[str, dict[str, Any]])


def times(left: Unit, right: Unit, power: int = 1) -> Unit:
    """Return left multiplied by right to a power."""
    powers = dict(left.powers)
    for name, exponent in right.powers:
        powers[name] = powers.get(name, 0) + exponent * power
    return Unit(
        left.factor * right.factor**power,
        tuple(sorted((name, exponent) for name, exponent in powers.items() if exponent)),
    )


@lru_cache(maxsize=4096)
def _atom(name: str) -> Unit:
    """Return a unit without exponent, with or without prefix; an unknown one is its own dimension."""
    table = _table()
    if name in table["base"]:
        return Unit(Fraction(1), ((name, 1),))
    row = table["plain"].get(name) or table["metric"].get(name)
    if row is not None:
        return _defined(name, row)
    for length in (2, 1):
        prefix, rest = name[:length], name[length:]
        if rest and prefix in table["prefixes"] and (rest in table["base"] or rest in table["metric"]):
            return times(Unit(Fraction(table["prefixes"][prefix]), ()), _atom(rest))
    return Unit(Fraction(1), ((name, 1),))


def _defined(name: str, row: list[str]) -> Unit:
    number, definition = row
    if definition == name:
        return Unit(Fraction(1), ((name, 1),))
    return times(Unit(Fraction(number), ()), parse_unit(definition) or ONE)


def _parts(code: str) -> list[re.Match[str]] | None:
    found: list[re.Match[str]] = []
    position = 0
    while position < len(code):
        match = _PART.match(code, position)
        if match is None:
            return None
        found.append(match)
        position = match.end()
    return found


def _component(match: re.Match[str]) -> Unit | None:
    if match["number"]:
        number = int(match["number"])
        return Unit(Fraction(number), ()) if number else None
    power = int(match["ten_power"] or match["power"] or 1)
    if abs(power) > _POWER_MAX:
        return None
    return times(ONE, Unit(Fraction(10), ()) if match["ten"] else _atom(match["atom"]), power)


def _term(parts: list[re.Match[str]], at: int) -> tuple[Unit | None, int]:
    """Read `component (operator component)*` up to a closing bracket; return the unit and the next index."""
    unit, power, expecting = ONE, 1, True
    while at < len(parts):
        match = parts[at]
        symbol = match["symbol"]
        if symbol == ")":
            break
        at += 1
        if symbol in (".", "/"):
            power, expecting = (-1 if symbol == "/" else 1), True
            continue
        if symbol == "(":
            inner, at = _term(parts, at)
            at += 1
        else:
            inner = ONE if match["note"] else _component(match)
        if inner is None or not (expecting or match["note"]):
            return None, at
        unit, expecting = times(unit, inner, power), False
    return (None if expecting else unit), at


def parse_unit(code: str) -> Unit | None:
    """Return the unit that a UCUM code names, None for a text that is no UCUM code."""
    return _parsed(code) if len(code) <= CODE_LENGTH_MAX else None


@lru_cache(maxsize=4096)
def _parsed(code: str) -> Unit | None:
    if not code or code == "1":
        return ONE
    parts = _parts(code)
    if not parts:
        return None
    unit, at = _term(parts, 0)
    return unit if at == len(parts) else None


def is_known(code: str) -> bool:
    """Return whether a text is a UCUM code: its units are in the table or in brackets, which is UCUM's way.

    A bare number other than 1 is none: senders put a code of another system in its place.
    """
    unit, table = parse_unit(code), _table()
    if unit is None or (code.isdigit() and code != "1"):
        return False
    return all(
        name.startswith("[")
        or any(name in table[kind] for kind in ("base", "plain", "metric", "offset") if kind in table)
        for name, _ in unit.powers
    )


def conversion(source: str, target: str) -> Fraction | None:
    """Return the factor from one unit to another, None when they do not measure the same."""
    if source == target:
        return Fraction(1)
    left, right = parse_unit(source), parse_unit(target)
    if left is None or right is None or left.powers != right.powers:
        return None
    return left.factor / right.factor


def offset_scale(unit: Unit) -> OffsetScale | None:
    """Return how a unit whose zero is not that of its base unit becomes that one, None for any other unit.

    Within a product (``J/Cel``) such a unit stands for a difference, and is none.
    """
    if len(unit.powers) != 1 or unit.powers[0][1] != 1:
        return None
    row = _table()["offset"].get(unit.powers[0][0])
    return None if row is None else OffsetScale(row[0], Fraction(row[1]), Fraction(row[2]))


def unit_code(unit: Unit) -> str:
    """Return a UCUM code for the dimension of a unit in base units ("m2", "g.m-3"), "1" for none."""
    return ".".join(name if power == 1 else f"{name}{power}" for name, power in unit.powers) or "1"
