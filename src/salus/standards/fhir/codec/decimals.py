"""The decimals that are taken: all that a database and every reader hold exactly, and so none of any size.

R4 advises 18 digits. PostgreSQL's `numeric`, and so its `jsonb`, ends at 131,072 digits before the point and
16,383 after it: a resource with a number beyond that could not be looked into.
"""

from __future__ import annotations

from decimal import Clamped, Context, Inexact, InvalidOperation, Rounded, Subnormal

from salus.core.errors import MalformedContent

_DIGITS_MAX = 4_000
_EXPONENT_MAX = 9_999

exact_decimal = Context(
    prec=_DIGITS_MAX,
    Emin=-_EXPONENT_MAX,
    Emax=_EXPONENT_MAX,
    traps=[Clamped, Inexact, InvalidOperation, Rounded, Subnormal],
).create_decimal
"""Return the decimal of a text with all its digits; raise `decimal.DecimalException` if out of range."""


def out_of_range() -> MalformedContent:
    """Return the refusal of a number that `exact_decimal` does not take."""
    return MalformedContent(
        f"A number has more than {_DIGITS_MAX} digits or an exponent beyond {_EXPONENT_MAX}; "
        "write it shorter."
    )
