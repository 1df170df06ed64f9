"""The forms of the primitive types (R4, datatypes.html#primitive).

A predicate answers whether a JSON value has the form. What a regular expression cannot say is checked too:
calendar dates, ranges, base64.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

STRING_LENGTH_MAX = 1024 * 1024
INTEGER_MAX = 2**31 - 1

_CODE = re.compile(r"[^\s]+(\s[^\s]+)*", re.ASCII).fullmatch
_URI = re.compile(r"[^\s]+", re.ASCII).fullmatch
# What XML cannot write (XML 1.0, Char) is in no string: control characters but tab, line feed and return.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_OID = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+").fullmatch
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch

_YEAR = r"(?!0000)[0-9]{4}"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_DATE = re.compile(rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?", re.ASCII).fullmatch
_DATE_TIME = re.compile(rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_CLOCK}{_ZONE})?)?)?", re.ASCII).fullmatch
_COMMON_MOMENT = re.compile(
    rf"(?!0000)[0-9]{{4}}-{_MONTH}-(?:0[1-9]|1[0-9]|2[0-8])T{_CLOCK}{_ZONE}", re.ASCII
).fullmatch
_INSTANT = re.compile(rf"{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{_ZONE}", re.ASCII).fullmatch
_TIME = re.compile(_CLOCK, re.ASCII).fullmatch
_MONTHS_OF_30_DAYS = frozenset({"04", "06", "09", "11"})

Predicate = Callable[[Any], bool]  # Any: a JSON value of whatever type was sent


class Primitive(msgspec.Struct, frozen=True):
    """A primitive type.

    Args:
        is_valid: whether a JSON value is a legal value.
        json: the JSON type that carries it.
        form: completes the sentence "Write ...".
    """

    is_valid: Predicate
    json: type | tuple[type, ...]
    form: str


def _is_string(value: Any) -> bool:
    return (
        type(value) is str
        and 0 < len(value) <= STRING_LENGTH_MAX
        and (value.isprintable() or _UNWRITABLE(value) is None)
    )


def _is_xhtml(value: Any) -> bool:
    return type(value) is str and value != "" and (value.isprintable() or _UNWRITABLE(value) is None)


def _is_code(value: Any) -> bool:
    if type(value) is not str:
        return False
    if value.isprintable() and " " not in value:
        return value != ""
    return _UNWRITABLE(value) is None and _CODE(value) is not None


def _is_uri(value: Any) -> bool:
    if type(value) is not str:
        return False
    if value.isprintable() and " " not in value:
        return value != ""
    return _UNWRITABLE(value) is None and _URI(value) is not None


def _is_id(value: Any) -> bool:
    return type(value) is str and _ID(value) is not None


def _is_oid(value: Any) -> bool:
    return type(value) is str and _OID(value) is not None


def _is_uuid(value: Any) -> bool:
    return type(value) is str and _UUID(value) is not None


def _is_boolean(value: Any) -> bool:
    return type(value) is bool


def _is_integer(value: Any) -> bool:
    return type(value) is int and -INTEGER_MAX - 1 <= value <= INTEGER_MAX


def _is_unsigned(value: Any) -> bool:
    return type(value) is int and 0 <= value <= INTEGER_MAX


def _is_positive(value: Any) -> bool:
    return type(value) is int and 0 < value <= INTEGER_MAX


def _is_decimal(value: Any) -> bool:
    return type(value) is Decimal or type(value) is int or type(value) is float


def _is_real_day(text: str) -> bool:
    """Return whether a date of the right form exists in the (proleptic Gregorian) calendar."""
    day = text[8:10]
    if day < "29":
        return True
    month = text[5:7]
    if month == "02":
        year = int(text[:4])
        return day == "29" and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day != "31" or month not in _MONTHS_OF_30_DAYS


def _is_date(value: Any) -> bool:
    return type(value) is str and _DATE(value) is not None and _is_real_day(value)


def _is_date_time(value: Any) -> bool:
    if type(value) is not str:
        return False
    return _COMMON_MOMENT(value) is not None or (_DATE_TIME(value) is not None and _is_real_day(value))


def _is_instant(value: Any) -> bool:
    if type(value) is not str:
        return False
    return _COMMON_MOMENT(value) is not None or (_INSTANT(value) is not None and _is_real_day(value))


def _is_time(value: Any) -> bool:
    return type(value) is str and _TIME(value) is not None


def _is_base64(value: Any) -> bool:
    if type(value) is not str or not value or not value.isascii() or _UNWRITABLE(value):
        return False
    try:
        return binascii.a2b_base64("".join(value.split()), strict_mode=True) is not None
    except binascii.Error:
        return False


_INTEGER = "a whole number from {} to 2147483647, without decimal point"
_TEXT = (
    f"text, not empty, of at most {STRING_LENGTH_MAX} characters; of control characters tab and line end only"
)
_WEB = "an address without blanks"
_DAY_FORM = "YYYY, YYYY-MM or YYYY-MM-DD, a day that exists in the calendar"

PRIMITIVES: Mapping[str, Primitive] = {
    "base64Binary": Primitive(_is_base64, str, "base64 (RFC 4648, section 4)"),
    "boolean": Primitive(_is_boolean, bool, "true or false"),
    "canonical": Primitive(_is_uri, str, _WEB),
    "code": Primitive(_is_code, str, "a code without blanks at its ends or two in a row"),
    "date": Primitive(_is_date, str, f"a date as {_DAY_FORM}"),
    "dateTime": Primitive(
        _is_date_time, str, f"a date as {_DAY_FORM}, or with a time as YYYY-MM-DDThh:mm:ss+zz:zz"
    ),
    "decimal": Primitive(_is_decimal, (int, float, Decimal), "a number"),
    "id": Primitive(_is_id, str, "1 to 64 of the characters A-Z, a-z, 0-9, '-' and '.'"),
    "instant": Primitive(_is_instant, str, "a moment as YYYY-MM-DDThh:mm:ss.sss+zz:zz on a day that exists"),
    "integer": Primitive(_is_integer, int, _INTEGER.format(-INTEGER_MAX - 1)),
    "markdown": Primitive(_is_string, str, _TEXT),
    "oid": Primitive(_is_oid, str, "an OID as 'urn:oid:1.2.3'"),
    "positiveInt": Primitive(_is_positive, int, _INTEGER.format(1)),
    "string": Primitive(_is_string, str, _TEXT),
    "time": Primitive(_is_time, str, "a time of day as hh:mm:ss"),
    "unsignedInt": Primitive(_is_unsigned, int, _INTEGER.format(0)),
    "uri": Primitive(_is_uri, str, _WEB),
    "url": Primitive(_is_uri, str, _WEB),
    "uuid": Primitive(_is_uuid, str, "a UUID as 'urn:uuid:' and lower-case hexadecimal digits"),
    "xhtml": Primitive(_is_xhtml, str, "XHTML"),
}
"""Every primitive type of R4; `xhtml` is looked at more closely by `narrative`."""
