"""FHIR dates and times in words of a language (CLDR), no more and no less precise than they were written."""

from __future__ import annotations

import re
from datetime import date

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton

from salus.primary.wording import catalogue
from salus.primary.wording.catalogue import LANGUAGES

_REGIONS = {"en": "en_GB", "pt": "pt_PT"}
"""Where a language is written in another way outside the Union: the way within it."""
_WRITTEN = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?:T(.*))?")


def locale_of(language: str) -> Locale:
    """Return the locale of one of our languages, of any other the English one."""
    name = language if language in LANGUAGES else catalogue.ENGLISH
    return Locale.parse(_REGIONS.get(name, name))


def day(written: str, language: str) -> str:
    """Return a date or dateTime in words; what is no date as it came, "no date" for nothing.

    "3 May 2026", "May 2026", "3 May 2026, 23:30 (+02:00)": the time is that of the place it was written.
    """
    if not written:
        return catalogue.text("reading.no-date", language)
    found = _WRITTEN.fullmatch(written)
    if not found:
        return written
    year, month, number, time = found.groups()
    locale = locale_of(language)
    try:
        at = date(int(year), int(month or 1), int(number or 1))
    except ValueError:
        return written
    if not month:
        return year
    if not number:
        return str(format_skeleton("yMMMM", at, locale=locale))
    shown = str(format_date(at, "long", locale=locale))
    return f"{shown}, {_time(time)}" if time else shown


def _time(written: str) -> str:
    """Return the time of a dateTime to the minute, with its offset from UTC."""
    zone = re.search(r"Z|[+-]\d\d:\d\d$", written)
    return f"{written[:5]} ({'UTC' if zone[0] == 'Z' else zone[0]})" if zone else written[:5]


def language_name(code: str, language: str) -> str:
    """Return what a language is called in another: "Portuguese" for pt in English; the code if unknown."""
    try:
        named = Locale.parse(code.replace("-", "_").partition("_")[0]).get_display_name(locale_of(language))
    except (ValueError, UnknownLocaleError):
        return code
    return str(named or code)


def own_name(code: str) -> str:
    """Return what one of our languages calls itself."""
    named = str(Locale.parse(code).get_display_name(Locale.parse(code)) or code)
    return named[:1].upper() + named[1:]
