"""References between resources as this node stores and compares them."""

from __future__ import annotations


def local_reference(reference: str) -> str:
    """Return "Type/id" of a relative or absolute reference, without a version."""
    return "/".join(reference.split("/_history/")[0].rsplit("/", 2)[-2:])
