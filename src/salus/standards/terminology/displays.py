"""Is the display of a coding one of its code's names (R4 $validate-code; tx-ecosystem)?"""

from __future__ import annotations

from collections.abc import Sequence

from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.concepts import Designation
from salus.standards.terminology.designations import (
    Likeness,
    compare,
    compare_with,
    displays,
    in_language,
    preferred,
)
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import Severity
from salus.standards.terminology.languages import Wanted, shown

_WRONG = "Display_Name_for__should_be_one_of__instead_of"
_SPACED = "Display_Name_WS_for__should_be_one_of__instead_of"


def _severity(inquiry: Inquiry) -> Severity:
    return "warning" if inquiry.asked.is_true("lenient-display-validation") else "error"


def check_display(coded: Coded, inquiry: Inquiry, findings: Findings) -> None:
    """Check the display of a coding that belongs to its value set."""
    wanted = inquiry.asked.languages()
    names = list(in_language(coded.names, wanted))
    likeness = compare_with(coded.display, names)
    if likeness is Likeness.SAME:
        current = [one for one in names if one.is_current()]
        if compare_with(coded.display, current) is not Likeness.SAME:
            known = _listed([one for one in displays(coded.names, ()) if one.is_current()])
            findings.add(
                "warning",
                "invalid",
                "display-comment",
                coded.at("display"),
                "INACTIVE_DISPLAY_FOUND",
                display=coded.display,
                code=coded.code,
                known=known,
            )
        return
    if names:
        severity = _severity(inquiry) if displays(coded.names, wanted) else "warning"
        _say_wrong(coded, names, likeness, severity, findings)
        return
    _check_in_own_language(coded, wanted, inquiry, findings)


def _check_in_own_language(
    coded: Coded, wanted: Sequence[Wanted], inquiry: Inquiry, findings: Findings
) -> None:
    """Check a display where no name is in the languages asked for: by the code system's own."""
    best = preferred(coded.names, ())
    words = {"display": coded.display, "system": coded.system, "code": coded.code, "languages": shown(wanted)}
    if best is None:
        findings.add(
            "warning", "invalid", "invalid-display", coded.at("display"), "NO_VALID_DISPLAY_AT_ALL", **words
        )
    elif compare(coded.display, coded.names, wanted, language=coded.language or "en") is Likeness.SAME:
        findings.add(
            "information",
            "invalid",
            "invalid-display",
            coded.at("display"),
            "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_OK",
            known=best.value,
            **words,
        )
    else:
        findings.add(
            _severity(inquiry),
            "invalid",
            "invalid-display",
            coded.at("display"),
            "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_ERR",
            known=best.value,
            **words,
        )


def check_display_outside(coded: Coded, inquiry: Inquiry, findings: Findings) -> None:
    """Check the display of a coding that is not in the value set, but is in its code system."""
    wanted = inquiry.asked.languages()
    likeness = compare(coded.display, coded.names, wanted, language=coded.language or "en")
    if likeness is Likeness.SAME:
        return
    names = displays(coded.names, wanted)
    if names:
        _say_wrong(coded, names, likeness, _severity(inquiry), findings)
    else:
        findings.add(
            "warning",
            "invalid",
            "invalid-display",
            coded.at("display"),
            "NO_VALID_DISPLAY_AT_ALL",
            display=coded.display,
            system=coded.system,
            code=coded.code,
        )


def _say_wrong(
    coded: Coded, names: Sequence[Designation], likeness: Likeness, severity: Severity, findings: Findings
) -> None:
    findings.add(
        severity,
        "invalid",
        "invalid-display",
        coded.at("display"),
        _SPACED if likeness is Likeness.SPACES else _WRONG,
        display=coded.display,
        code=coded.code,
        system=coded.system,
        known=_listed(names),
    )


def _listed(names: Sequence[Designation]) -> str:
    return " or ".join(
        dict.fromkeys(f"{one.value} ({one.language})" if one.language else one.value for one in names)
    )
