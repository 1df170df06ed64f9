"""What is counted of checks and exchanges to say who conforms: never a person, a document or a moment."""

from __future__ import annotations

from enum import StrEnum

import msgspec

NAME_LENGTH_MAX = 80
MS_AT_MOST = (10, 30, 100, 300, 1_000, 3_000, 10_000)
"""Upper bounds of the histogram of durations, milliseconds; one more class holds what took longer."""


class Kind(StrEnum):
    """What a count is of: checks of files, kinds of fault in them, calls between nodes, citizens."""

    CHECK = "check"
    FAULT = "fault"
    EXCHANGE = "exchange"
    CITIZENS = "citizens"


class Outcome(StrEnum):
    """How it ended.

    Of checks: no error, or errors. Of exchanges: answered with something, with nothing, refused with or
    without a reason, too late, not reached, or not readable.
    """

    VALID = "valid"
    INVALID = "invalid"
    ANSWERED = "answered"
    EMPTY = "empty"
    REFUSED = "refused"
    REFUSED_WITHOUT_REASON = "refused-without-reason"
    LATE = "late"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"


class Tally(msgspec.Struct, frozen=True):
    """What is counted together on one day.

    Args:
        kind: what the count is of.
        way: how it came about: load, validate, form, publish; of exchanges asked (by us) or answered.
        system: the system a file comes from, or the other node; "" unknown.
        vendor: who made that system, as registered or as the file says.
        country: of the other node or the system, ISO 3166-1 alpha-2.
        category: priority category, or what an exchange is about.
        profile: canonical with version of the first profile that judged it.
        outcome: how it ended; of citizens what is counted.
        code: of a fault: the id of the rule.
        is_first: whether it is the first attempt with this document.
    """

    kind: Kind
    way: str = ""
    system: str = ""
    vendor: str = ""
    country: str = ""
    category: str = ""
    profile: str = ""
    outcome: str = ""
    code: str = ""
    is_first: bool = False


class System(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A system whose files are counted under its maker's name, as the operator registered it.

    Args:
        source: as loads and documents name it (--source, meta.source).
        vendor: who made it.
        country: where it stands, ISO 3166-1 alpha-2.
    """

    source: str
    vendor: str
    country: str = ""


def named(text: object) -> str:
    """Return a name from outside as it is counted: printable and at most 80 characters."""
    return "".join(char for char in str(text or "") if char.isprintable()).strip()[:NAME_LENGTH_MAX]


def class_of(milliseconds: float) -> int:
    """Return the place in a histogram of `MS_AT_MOST` and one more class."""
    return next((place for place, most in enumerate(MS_AT_MOST) if milliseconds <= most), len(MS_AT_MOST))
