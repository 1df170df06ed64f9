"""Units as people write them: "Cel" as °C, "10*9/L" as ×10⁹/L, "{tablet}" as tablets (UCUM 2.2).

A unit that the table does not know stays as it came: a wrong unit is worse than an ugly one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.primary.language import A_FEW, Shown, say, whole
from salus.primary.wording import catalogue
from salus.primary.wording.catalogue import LANGUAGES

UCUM = "http://unitsofmeasure.org"
DROPS = "[drp]"
POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PART = re.compile(r"[/.]|(?:\{[^{}]*\}|\[[^\[\]]*\]|[^/.{}\[\]])+")
_COMPONENT = re.compile(r"(?P<atom>\{[^{}]*\}|.*?)(?P<power>-?\d+)?(?P<about>\{[^{}]*\})?")
_TEN = re.compile(r"10[*^](?P<power>-?\d+)(?P<about>\{[^{}]*\})?")
Quantity = Mapping[str, Any]  # an R4 Quantity; FHIR content is open JSON, hence Any


class Units(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table. `local`: prefix and message; `counted`: message; see units.toml."""

    print: dict[str, str]
    local: dict[str, tuple[str, str]]
    counted: dict[str, str]
    same: dict[str, str]


@cache
def units() -> Units:
    """Return the table of units."""
    table = resources.files(__package__).joinpath("units.toml").read_bytes()
    return msgspec.toml.decode(table, type=Units)


def show_unit(quantity: Quantity, language: str, number: str) -> Shown:
    """Return the unit of a quantity, "" when it states none.

    Its code is worded by the table where the source's own words say no more; the source's words stay where
    they do. Where the two name different units, both are shown, for neither can be believed.

    Args:
        quantity: with `unit` (words) or `code`, or both.
        language: of the reader.
        number: the amount as it is written, "" where there is none.
    """
    code, written = str(quantity.get("code", "")), str(quantity.get("unit", ""))
    system = str(quantity.get("system", UCUM))
    code = units().same.get(f"{system}|{code}", code if system == UCUM else "")
    by_code = _worded(code, language, number)
    if not written or written == code:
        return _or_original(by_code, code or str(quantity.get("code", "")))
    if code in units().counted:
        return Shown(by_code, True) if written.casefold() in _wordings(code) else Shown(written, False)
    known = print_code(written, language)
    if known and by_code and known != by_code:
        return say("unit-by-code", language, a=known, b=by_code)
    return Shown(known or written, True)


def print_code(code: str, language: str) -> str:
    """Return a UCUM code in print, "" when the table does not know a part of it ("1" has no print either)."""
    parts = _PART.findall(code)
    if not parts or "".join(parts) != code:
        return ""
    shown = [part if part in "/." else _component(part, language) for part in parts]
    if any(not each for each, part in zip(shown, parts, strict=True) if part != "1"):
        return ""
    return "".join("·" if part == "." else each for part, each in zip(parts, shown, strict=True))


def is_bare(code: str) -> bool:
    """Return whether the code says that a number has no unit."""
    return code == "1"


def _worded(code: str, language: str, number: str) -> str:
    name = units().counted.get(code)
    if name is None:
        return print_code(code, language) if code else ""
    return catalogue.counted(f"unit.{name}", language, whole(number, language))


@cache
def _wordings(code: str) -> frozenset[str]:
    """Return every form of a counted unit in every language, folded."""
    name = f"unit.{units().counted[code]}"
    forms = (form for language in LANGUAGES for form in catalogue.forms(name, language))
    return frozenset({*(form.casefold() for form in forms), code, code.strip("{}")})


def _or_original(worded: str, code: str) -> Shown:
    if worded or is_bare(code):
        return Shown(worded, True)
    if re.fullmatch(r"\{[^{}]*\}", code):
        return Shown(_annotation(code), False)
    return Shown(code, True)


def _component(part: str, language: str) -> str:
    """Return one component of a code in print: a power of ten, a unit with its power, an annotation."""
    table = units()
    ten = _TEN.fullmatch(part)
    if ten:
        return f"×10{ten['power'].translate(POWERS)}" + (
            f" {_annotation(ten['about'])}" if ten["about"] else ""
        )
    if part in table.print or part in table.local or part == DROPS:
        return _atom(part, language)
    found = _COMPONENT.fullmatch(part)
    if found is None:
        return ""
    atom, power, about = found["atom"], found["power"] or "", found["about"] or ""
    if atom.startswith("{"):
        return _annotation(atom)
    shown = _atom(atom, language)
    return f"{shown}{power.translate(POWERS)}{' ' + _annotation(about) if about else ''}" if shown else ""


def _atom(atom: str, language: str) -> str:
    table = units()
    if atom in table.local:
        prefix, name = table.local[atom]
        return f"{prefix}{catalogue.text(f'unit.{name}', language)}"
    if atom in table.print:
        return table.print[atom]
    name = table.counted.get(atom, "") if atom == DROPS else ""
    return catalogue.counted(f"unit.{name}", language, A_FEW) if name else ""


def _annotation(text: str) -> str:
    return units().print.get(text, text.strip("{}").replace("_", " "))
