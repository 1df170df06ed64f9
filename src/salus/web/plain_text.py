"""What text and which moments the node takes from outside: nothing of either makes a store or a clock fail.

Text holds no control characters (Unicode, category Cc, of ASCII) but the tab and the ends of lines: no text
of PostgreSQL can hold the character 0, and no reader sees the others. A moment lies in the years 1900 to
2200, UTC: no date of care is outside, and sums of a day or a season stay inside what a clock can say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

import msgspec

from salus.core.errors import InvalidSearch

YEAR_MIN, YEAR_MAX = 1900, 2200
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_IN_QUERY = re.compile(rb"%(?:0[0-8bcef]|1[0-9a-f]|7f)", re.IGNORECASE)


def is_plain(text: str) -> bool:
    """Return whether the text holds no control character but tab and ends of lines."""
    return _CONTROL.search(text) is None


def check_address(path: str, query: bytes) -> None:
    """Refuse an address that holds a control character.

    Args:
        path: decoded.
        query: as it was sent.

    Raises:
        InvalidSearch: it holds one.
    """
    if (b"%" in query and _IN_QUERY.search(query)) or (not path.isprintable() and not is_plain(path)):
        raise InvalidSearch("The address holds a control character, which no text has; leave it away.")


def check_value(value: object) -> None:
    """Refuse control characters and moments outside the years, anywhere in a value read from a request.

    Args:
        value: of JSON types, frozen structs, dates and times, nested as deep as its type is.

    Raises:
        InvalidSearch: saying which of the two it is.
    """
    if isinstance(value, str):
        if not is_plain(value):
            raise InvalidSearch("The body holds a control character, which no text has; leave it away.")
    elif isinstance(value, date):
        if not _is_within(value):
            raise InvalidSearch(f"A moment lies in the years {YEAR_MIN} to {YEAR_MAX}, in UTC.")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            check_value(getattr(value, name))
    elif isinstance(value, Mapping):
        for key, member in value.items():
            check_value(key)
            check_value(member)
    elif isinstance(value, list | tuple | set | frozenset):
        for member in value:
            check_value(member)


def _is_within(moment: date) -> bool:
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            return False
    return YEAR_MIN <= moment.year <= YEAR_MAX
