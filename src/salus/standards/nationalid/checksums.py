"""The arithmetic that check digits share.

Sources: ISO/IEC 7064 (MOD 11,10), ISO/IEC 7812-1 Annex B (Luhn), J. Verhoeff 1969 (dihedral group D5).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

_MULTIPLY = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTE = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def weighted(digits: str, weights: Sequence[int]) -> int:
    """Return the sum of each digit times its weight."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def luhn_holds(digits: str) -> bool:
    """Return whether the last digit is the Luhn check digit of the others."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if position % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def mod_11_10_holds(digits: str) -> bool:
    """Return whether the last digit is the ISO 7064 MOD 11,10 check digit of the others."""
    check = 10
    for digit in digits[:-1]:
        check = (check + int(digit)) % 10 or 10
        check = check * 2 % 11
    return (check + int(digits[-1])) % 10 == 1


def verhoeff_holds(digits: str) -> bool:
    """Return whether the last digit is the Verhoeff check digit of the others."""
    check = 0
    for position, digit in enumerate(reversed(digits)):
        check = int(_MULTIPLY[check][int(_PERMUTE[position % 8][int(digit)])])
    return check == 0


def is_date(year: int, month: int, day: int) -> bool:
    """Return whether the calendar has this day."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def is_short_date(year: str, month: str, day: str) -> bool:
    """Return whether the day exists in some century (two-digit year: 1900 or 2000)."""
    return any(is_date(century + int(year), int(month), int(day)) for century in (1900, 2000))
