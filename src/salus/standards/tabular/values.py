"""One value of a table as FHIR has it; what is none is an error that says what was expected."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

from salus.core.errors import MalformedContent
from salus.core.quality import Account
from salus.standards.tabular.mapping import Coded, Column, TableMapping, zone_of

UCUM = "http://unitsofmeasure.org"
TRUE, FALSE = frozenset({"true", "yes", "y", "1"}), frozenset({"false", "no", "n", "0"})
_ISO_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")
_KEPT_ZEROS = re.compile(r'="([^"]*)"')
_SPREADSHEET = re.compile(r"#(N/A|REF!|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!)")
_DESTROYED = re.compile(r"\d(\.\d+)?E\+\d+", re.IGNORECASE)
_COMMA = str.maketrans(",.", ".,")
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?")


def plain_text(raw: str, path: str, account: Account) -> str:
    """Return a cell's text, free of what a spreadsheet wrapped it in.

    Raises:
        MalformedContent: it is a formula, or the error of one: not a value.
    """
    if found := _KEPT_ZEROS.fullmatch(raw):
        account.approximate(path, 'a text that a spreadsheet wrapped as ="..." is said without that', raw)
        return found[1]
    if raw.startswith("="):
        raise MalformedContent(f"{raw[:40]!a} is a formula, not a value; export the values.")
    if _SPREADSHEET.fullmatch(raw):
        raise MalformedContent(
            f"{raw!a} is the error of a spreadsheet, not a value; mend it or leave it empty."
        )
    return raw


def number_of_person(text: str) -> str:
    """Return an identifier; one that a spreadsheet turned into a rounded number is none."""
    if _DESTROYED.fullmatch(text):
        raise MalformedContent(
            f"{text!a} was a number with more digits: format the column as text, and export anew."
        )
    return text


def value(
    text: str, unit: str, take: Column, leaf: str, mapping: TableMapping, account: Account
) -> Any:  # Any: FHIR JSON
    """Return a value for an element of type `leaf`.

    Raises:
        MalformedContent: the text is none of its kind.
    """
    path = take.column
    if take.as_ == "quantity":
        return _quantity(text, unit, take, mapping, account)
    if take.codes or take.as_ == "code":
        return _code(text, take, leaf, mapping, account)
    if take.as_ == "decimal":
        return _decimal(text, mapping)
    if take.as_ == "integer":
        number = _decimal(text, mapping)
        if number != number.to_integral_value():
            raise MalformedContent(f"{text[:40]!a} is no whole number.")
        return int(number)
    if take.as_ == "boolean":
        if text.casefold() not in TRUE | FALSE:
            raise MalformedContent(f"{text[:40]!a} is neither yes nor no (true, yes, y, 1; false, no, n, 0).")
        return text.casefold() in TRUE
    if take.as_ in ("date", "dateTime"):
        return _moment(text, take, mapping, account, path)
    return {"text": text} if leaf == "CodeableConcept" else text


def _decimal(text: str, mapping: TableMapping) -> Decimal:
    written = text.translate(_COMMA) if mapping.decimal == "," else text  # a point then parts thousands: none
    if not _NUMBER.fullmatch(written):
        raise MalformedContent(f'{text[:40]!a} is no number with the decimal mark "{mapping.decimal}".')
    return Decimal(written)


def _quantity(
    text: str, unit: str, take: Column, mapping: TableMapping, account: Account
) -> dict[str, Any]:  # Any: FHIR JSON
    comparator = next((each for each in ("<=", ">=", "<", ">") if text.startswith(each)), "")
    found: dict[str, Any] = {"value": _decimal(text[len(comparator) :].strip(), mapping)}
    if comparator:
        found["comparator"] = comparator
    if take.unit:
        return found | {"unit": take.unit, "system": UCUM, "code": take.unit}
    if unit in mapping.units:
        return found | {"unit": unit, "system": UCUM, "code": mapping.units[unit]}
    if unit:
        account.approximate(take.unit_column, "a unit that the mapping brings to no code: said as text", unit)
        found["unit"] = unit
    return found


def _code(
    text: str, take: Column, leaf: str, mapping: TableMapping, account: Account
) -> Any:  # Any: FHIR JSON
    known = mapping.codes.get(take.codes, {}).get(text)
    if leaf in ("CodeableConcept", "Coding"):
        if known is None:
            if leaf == "Coding":
                raise MalformedContent(f"{text[:40]!a} is not in the code list {take.codes}.")
            account.approximate(take.column, "a code that the mapping does not list: said as text", text)
            return {"text": text}
        coded = Coded(known) if isinstance(known, str) else known
        coding = {
            name: said
            for name, said in (("system", coded.system), ("code", coded.code), ("display", coded.display))
            if said
        }
        return coding if leaf == "Coding" else {"coding": [coding], "text": coded.text or text}
    if known is None and take.codes:
        listed = ", ".join(list(mapping.codes[take.codes])[:8])
        raise MalformedContent(f"{text[:40]!a} is not in the code list {take.codes} ({listed}).")
    return text if known is None else known if isinstance(known, str) else known.code


def _moment(text: str, take: Column, mapping: TableMapping, account: Account, path: str) -> str:
    if not take.format and _ISO_DATE.fullmatch(text):
        _check_day(text)
        return text
    try:
        if take.format:
            at = datetime.datetime.strptime(text, take.format)
        else:
            at = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        expected = take.format or "ISO 8601, as 2026-11-30"
        raise MalformedContent(f"{text[:40]!a} is no date of the form {expected}.") from error
    if take.as_ == "date" or (take.format and "%H" not in take.format and "%I" not in take.format):
        return at.date().isoformat()
    if at.tzinfo is None:
        zone = zone_of(mapping.zone) if mapping.zone else None
        if zone is None:
            account.approximate(path, "a time without a zone (the mapping names none): the day is said", text)
            return at.date().isoformat()
        at = at.replace(tzinfo=zone)
    return at.isoformat(timespec="seconds")


def _check_day(text: str) -> None:
    year, month, day = (int(each) for each in (*text.split("-"), "1", "1")[:3])
    try:
        datetime.date(year, month, day)
    except ValueError as error:
        raise MalformedContent(f"{text!a} is no day of the calendar.") from error
