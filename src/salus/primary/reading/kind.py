"""What a kind of entry is, and all of them: one file in `kinds/` defines `KIND`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.primary.language import Shown
from salus.primary.reading.model import Measure

Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any
Held = Mapping[str, Resource]
Fields = Callable[[Resource, Held, str, datetime | None], list[Shown]]


class Kind(msgspec.Struct, frozen=True):
    """How entries of some resource types are read.

    Args:
        types: R4 resource types.
        fields: what one says besides its name and date; of the resource, what it may refer to, the language,
            and when it is read.
        measure: what one found, for measurements; of the resource or a component of it, and the language.
        parts: references to what belongs to one and is shown within it.
    """

    types: tuple[str, ...]
    fields: Fields
    measure: Callable[[Resource, str], Measure | None] | None = None
    parts: Callable[[Resource], list[Resource]] | None = None


@cache
def kinds() -> dict[str, Kind]:
    """Return the kind of each resource type that can be put in fields."""
    names = sorted(
        file.name.removesuffix(".py")
        for file in resources.files("salus.primary.reading.kinds").iterdir()
        if file.name.endswith(".py") and file.name != "__init__.py"
    )
    found = [importlib.import_module(f"salus.primary.reading.kinds.{name}").KIND for name in names]
    return {kind: each for each in found for kind in each.types}
