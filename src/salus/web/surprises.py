"""What content of an unforeseen form makes our code raise, and how it is written down without any content.

Where an answer has many parts, one such part must not take the others with it: it is named as left out.
Failures of the store, of the disk or of the network are none of these and end the answer.
"""

from __future__ import annotations

import logging
import traceback

from salus.core.errors import SalusError

LOG = logging.getLogger("salus.web")
SURPRISES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
FAILURES = (*SURPRISES, SalusError)
PLACES_MAX = 6


def trail_of(error: BaseException) -> str:
    """Return where the code failed, the innermost place first; no text of the error, which may quote data."""
    places = traceback.extract_tb(error.__traceback__)[-PLACES_MAX:]
    return " < ".join(
        f"{place.filename.rpartition('salus/')[2]}:{place.lineno}" for place in reversed(places)
    )


def told_of(error: Exception, part: str) -> str:
    """Return why a part is left out, for its reader; write a surprise down for the operator."""
    if isinstance(error, SalusError):
        return error.message
    LOG.error("a part (%s) was left out with %s at %s", part, type(error).__name__, trail_of(error))
    return "This node could not make it; the rest is whole. The node's operator finds the cause in the log."
