"""A profile, a resource in, errors out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.standards.fhir.profiles.writing import book_of

from salus.standards.fhir.profiles.validator import check_profiles

Errors = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def errors() -> Errors:
    """Return a function of a resource, its profile and further definitions to (message id, expression)."""

    def run(resource: dict[str, Any], first: dict[str, Any], *more: dict[str, Any]) -> list[tuple[str, str]]:
        found = check_profiles(resource, book_of(first, *more), [first["url"]])
        return [(one.message_id, one.expression) for one in found if one.severity == "error"]

    return run
