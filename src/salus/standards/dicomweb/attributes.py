"""The DICOM JSON model (PS3.18 annex F): an array of data sets, each a table of attributes by their tag.

What an archive sends is foreign: too much of it, too deep or of another form is refused; a value that is not
of its representation is taken as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.core.errors import MalformedContent, TooLarge
from salus.core.plain import plain

TEXT_LENGTH_MAX = 1_024
VALUES_MAX = 64
"""Most values of one attribute that are looked at."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,12}")


class Tag(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One data element: its tag as eight hexadecimal digits, and its value representation."""

    tag: str
    vr: str


class Attribute(msgspec.Struct, frozen=True):
    """What a data set says under one tag; bulk data and links to it are not read."""

    vr: str = ""
    Value: list[Any] = []  # Any: by the value representation


Dataset = Mapping[str, Attribute]


@cache
def tags() -> dict[str, Tag]:
    """Return the data elements by keyword."""
    table = resources.files(__package__).joinpath("tags.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, Tag])


def read_datasets(body: bytes, *, count_max: int) -> list[Dataset]:
    """Return the data sets of a QIDO-RS answer; an empty body (204) holds none.

    Raises:
        MalformedContent: it is not the DICOM JSON model.
        TooLarge: it holds more than `count_max` of them.
    """
    if not body:
        return []
    try:
        found: list[Dataset] = msgspec.json.decode(body, type=list[dict[str, Attribute]])
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedContent("The answer is not the DICOM JSON model (PS3.18 annex F).") from error
    if len(found) > count_max:
        raise TooLarge(f"The answer holds more than {count_max} data sets.")
    return found


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """Return the values of an attribute as plain texts, without those that are none."""
    attribute = dataset.get(tags()[keyword].tag)
    values = attribute.Value[:VALUES_MAX] if attribute is not None else []
    found = [plain(str(one)).strip()[:TEXT_LENGTH_MAX] for one in map(_scalar, values) if one is not None]
    return [one for one in found if one]


def text(dataset: Dataset, keyword: str) -> str:
    """Return the first value of an attribute, "" without one."""
    return next(iter(texts(dataset, keyword)), "")


def number(dataset: Dataset, keyword: str) -> int | None:
    """Return a whole number that is not negative; None where there is none."""
    said = text(dataset, keyword)
    return int(said) if _WHOLE.fullmatch(said) and int(said) >= 0 else None


def _scalar(value: Any) -> str | int | float | None:  # Any: of a foreign answer
    """Return a value that can be shown; of a person's name its alphabetic form (PS3.18 F.2.2)."""
    if isinstance(value, dict):
        value = value.get("Alphabetic")
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None
