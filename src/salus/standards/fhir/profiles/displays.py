"""Does the display of a Coding say what its code means (R4, Coding.display)?

Compared are names of definitions at hand, and of countries those of the CLDR: a display that is the name of
another country is wrong, whatever else a country may be called.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from babel import Locale

from salus.standards.fhir.profiles.names import SHOWN_MAX, Named, fold
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.validation.issue import Where, quote

COUNTRIES = "urn:iso:std:iso:3166"


def check_display(node: dict[str, Any], system: str, where: Where, run: Run) -> None:  # Any: FHIR JSON
    """Report the display of a Coding that is none of its code's names."""
    code, display = node.get("code"), node.get("display")
    if type(code) is not str or type(display) is not str:
        return
    if system == COUNTRIES:
        _check_country(code, display, where, run)
        return
    named = run.book.names.wrong(system, code, display)
    if named is None or not _is_comparable(named, run):
        return
    shown = " or ".join(quote(name) for name in named.shown[:SHOWN_MAX])
    message = f"{quote(display)} is not what {quote(code)} of {system} is called; write {shown}."
    run.add(run.policy.wrong_display, "code-invalid", "coding-display", (where, "display", None), message)


def _is_comparable(named: Named, run: Run) -> bool:
    """Return whether there are names in the language of the resource; English where it states none."""
    language = run.resource.get("language") or run.language
    stated = language.partition("-")[0].lower() if type(language) is str else "en"
    return stated in named.languages


@cache
def _countries() -> Mapping[str, str]:
    """Return the two-letter code by folded name."""
    return {fold(name): code for code, name in Locale("en").territories.items() if code.isalpha()}


def _check_country(code: str, display: str, where: Where, run: Run) -> None:
    other = _countries().get(fold(display))
    if other is not None and len(code) == 2 and other != code:
        message = f"{quote(display)} is the country {other}, not {quote(code)}; correct one of them."
        run.add(run.policy.wrong_display, "code-invalid", "coding-display", (where, "display", None), message)
