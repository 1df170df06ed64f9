"""Regular expressions of value sets (filter operator regex), matched in linear time by RE2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import re2

LENGTH_MAX = 500
MEMORY_BYTES_MAX = 8 * 1024 * 1024


def whole_match(pattern: str) -> Callable[[str], Any] | None:
    """Return a test of a whole text, None for a pattern that cannot be matched safely."""
    if len(pattern) > LENGTH_MAX:
        return None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY_BYTES_MAX
    try:
        return re2.compile(pattern, options).fullmatch  # type: ignore[no-any-return]  # re2 has no types
    except re2.error:
        return None
