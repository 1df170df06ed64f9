"""What a definition's own status says to whoever uses it: withdrawn, deprecated, retired, draft ..."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from salus.standards.terminology.codesystem import About
from salus.standards.terminology.concepts import STANDARDS_STATUS, extension_value
from salus.standards.terminology.versions import join


class Standing(msgspec.Struct, frozen=True):
    """The status of a definition.

    Args:
        kind: its resource type.
    """

    canonical: str
    kind: str
    status: str = ""
    standards_status: str = ""
    is_experimental: bool = False

    def is_draft(self) -> bool:
        """Return whether it is not final."""
        return "draft" in (self.status, self.standards_status)


def standing_of(resource: Mapping[str, Any]) -> Standing:
    """Return the status of a resource."""
    return Standing(
        join(str(resource.get("url", "")), str(resource.get("version", ""))),
        str(resource.get("resourceType", "")),
        str(resource.get("status", "")),
        str(extension_value(resource, STANDARDS_STATUS) or ""),
        resource.get("experimental") is True,
    )


def standing_of_system(about: About) -> Standing:
    """Return the status of a code system."""
    return Standing(about.canonical, "CodeSystem", about.status, about.standards_status, about.experimental)


def warning(of: Standing, user: Standing, *, itself: bool = True) -> str:
    """Return what must be said of a definition to its user, "" for nothing.

    Args:
        of: the definition.
        user: the definition that refers to it; what that is too need not be said.
        itself: whether what ends a definition's use is said even where the user's has ended too.
    """
    for word in ("deprecated", "withdrawn"):
        if of.standards_status == word:
            return word if itself or user.standards_status != word else ""
    if of.status == "retired":
        return "retired" if itself or user.status != "retired" else ""
    if of.is_experimental:
        return "" if user.is_experimental else "experimental"
    return "draft" if of.is_draft() and not user.is_draft() else ""
