"""The detectors' numbers: `thresholds.toml`, where each has its reason."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table's rows; see there."""

    day_begins_hour: int
    settle_days: int
    company_days: int
    tie_meetings_min: float
    tie_lift_min: float
    unit_share_max: float
    contact_before_days: int
    contact_after_days: int
    half_life_days: float
    own_past_weight: float
    hours_prior_accesses: float
    hours_tail: float
    shift_share_min: float
    apart_hours: int
    working_hours_max: int
    handover_hours: int
    excess: tuple[float, ...]
    spread_min: float
    outliers: float
    peers_exposure_min: float
    own_exposure_min: float
    team_min: int
    peers_min: int
    accesses_per_false_alarm: float
    false_alarms_first: float
    innocence_min: float
    insider_share: float
    innocence_max: float
    weak_share: float
    quiet_days: int
    sightings_per_day_max: int
    colleagues_max: int
    company_max: int
    strangers_max: int
    evidence_max: int
    named_by_node_max: int
    guesses_usual_per_day: int
    misses_usual_per_day: int


@cache
def thresholds() -> Thresholds:
    """Return the table."""
    text = resources.files(__package__).joinpath("thresholds.toml").read_bytes()
    return msgspec.toml.decode(text, type=Thresholds)
