"""What must be seen beside the name of an entry: danger, doubt, error (R4 status elements)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.primary.details import REACTION
from salus.primary.language import show_concept, show_status
from salus.primary.reading.model import Field, Tone

Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any
ERROR = "entered-in-error"
SURE = frozenset({"confirmed", ""})


def marks_of(resource: Resource, language: str) -> tuple[Field, ...]:
    """Return high risk and severe reactions, what is not confirmed, and what was entered in error."""
    found = []
    if resource.get("criticality") == "high":
        found.append((show_status("high", language), Tone.CRITICAL))
    if any(
        each.get("severity") == "severe" for each in resource.get("reaction", ()) if isinstance(each, dict)
    ):
        severe = {"coding": [{"system": REACTION, "code": "severe"}]}
        found.append((show_concept(severe, language), Tone.CRITICAL))
    doubt = resource.get("verificationStatus")
    codes = (
        {str(each.get("code", "")) for each in doubt.get("coding", ())} if isinstance(doubt, dict) else set()
    )
    if not codes <= SURE:
        found.append((show_concept(doubt, language), Tone.ATTENTION))
    if resource.get("status") == ERROR:
        found.append((show_status(ERROR, language), Tone.CRITICAL))
    return tuple(
        Field("", each.text, each.translated, each.original, tone) for each, tone in found if each.text
    )
