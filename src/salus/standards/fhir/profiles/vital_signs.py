"""Vital signs are known by their LOINC code and follow R4's profile for it (observation-vitalsigns.html)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.standards.fhir.profiles.base_types import CORE
from salus.standards.fhir.profiles.telling import pairs_in

LOINC = "http://loinc.org"


@cache
def _profiles() -> Mapping[str, str]:
    table = resources.files(__package__).joinpath("vital_signs.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, str])


def implied_profiles() -> list[str]:
    """Return every profile that a code implies."""
    return sorted(CORE + name for name in _profiles().values())


def implied_profile(observation: dict[str, Any]) -> str:  # Any: FHIR JSON
    """Return the profile that the code of an Observation implies, "" for none."""
    for system, code in pairs_in(observation, "code"):
        if system == LOINC and code in _profiles():
            return CORE + _profiles()[code]
    return ""
