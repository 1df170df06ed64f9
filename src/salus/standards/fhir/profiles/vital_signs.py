"""Vital signs are known by their LOINC code and follow R4's profile for it (observation-vitalsigns.html)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec

from salus.standards.fhir.profiles.base_types import CORE
from salus.standards.fhir.profiles.telling import Pairs

LOINC = "http://loinc.org"


@cache
def _profiles() -> Mapping[str, str]:
    table = resources.files(__package__).joinpath("vital_signs.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, str])


def implied_profiles() -> list[str]:
    """Return every profile that a code implies."""
    return sorted(CORE + name for name in _profiles().values())


def implied_profile(codes: Pairs) -> str:
    """Return the profile that one of an Observation's codes implies, "" for none."""
    for system, code in codes:
        if system == LOINC and code in _profiles():
            return CORE + _profiles()[code]
    return ""
