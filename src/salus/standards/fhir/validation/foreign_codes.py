"""Codes of the required value sets of R4 that other standards determine: RFC 6838 and ISO 4217."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources

MIME_TYPES = "http://hl7.org/fhir/ValueSet/mimetypes"
CURRENCIES = "http://hl7.org/fhir/ValueSet/currencies"

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}\s?(;.*)?").fullmatch


def is_media_type(code: str) -> bool:
    """Return whether a code has the form type/subtype, with or without parameters (RFC 9110, 8.3.1)."""
    return _MEDIA_TYPE(code) is not None


@cache
def currencies() -> frozenset[str]:
    """Return the alphabetic codes of ISO 4217, of today and of earlier years."""
    table = resources.files(__package__).joinpath("currencies.toml").read_text("utf-8")
    return frozenset(code for codes in tomllib.loads(table).values() for code in codes.split())
