"""Codes of an expansion on their way to be shown, and what the expansion says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from salus.standards.terminology.codesystem import CodeSystem
from salus.standards.terminology.concepts import Concept, Json
from salus.standards.terminology.standing import Standing, warning

Include = Mapping[str, Any]  # Any: FHIR JSON


class Entry(msgspec.Struct, eq=False):
    """A code of an expansion.

    Args:
        row: what the value set says of it where it lists it, {} elsewhere.
        children: the codes shown beneath it.
        depth: how many codes it is shown beneath.
    """

    system: CodeSystem
    concept: Concept
    row: Include = {}
    children: list[Entry] = []
    depth: int = 0

    @property
    def url(self) -> str:
        """Return the url of its code system."""
        return self.system.about.url

    @property
    def version(self) -> str:
        """Return the version of its code system."""
        return self.system.about.version


class Notes:
    """What an expansion says of itself: parameters in their order, each once."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Json] = {}
        self.is_open = False
        self.fragments: dict[str, None] = {}

    def add(self, name: str, kind: str, value: object) -> None:
        """Note a parameter."""
        self.rows.setdefault((name, str(value)), {"name": name, kind: value})

    def say_standing(self, of: Standing, user: Standing) -> None:
        """Note what the status of a definition asks to be said of it."""
        word = warning(of, user, itself=of.canonical == user.canonical)
        if word:
            self.add(f"warning-{word}", "valueUri", of.canonical)
