"""The date of an entry: when it happened, or, where only that is known, when it was recorded.

It is shown as written and sorted by its moment: 01:00+02:00 is before 23:30Z of the day before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from salus.standards.fhir.search.values import date_interval

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
HAPPENED = (
    "effectiveDateTime", "effectivePeriod", "effectiveInstant", "occurrenceDateTime", "occurrencePeriod",
    "performedDateTime", "performedPeriod", "onsetDateTime", "onsetPeriod", "whenHandedOver", "whenPrepared",
    "authoredOn", "timingDateTime", "timingPeriod", "started", "period", "dateTime", "date", "created",
)  # fmt: skip
RECORDED = ("issued", "recordedDate", "recorded", "recordedOn", "dateAsserted")


def event_date(resource: Resource) -> str:
    """Return when it happened or began, "" when that is not known."""
    return _first(resource, HAPPENED)


def recorded_date(resource: Resource) -> str:
    """Return when it was recorded where nothing says when it happened, else ""."""
    return "" if event_date(resource) else _first(resource, RECORDED)


def clinical_date(resource: Resource) -> str:
    """Return the date that an entry is sorted by, as written, "" when there is none."""
    return event_date(resource) or recorded_date(resource)


def clinical_moment(resource: Resource) -> float:
    """Return when the clinical date begins (seconds since 1970); one that cannot be read is before all."""
    interval = date_interval(clinical_date(resource))
    return interval[0] if interval else -math.inf


def _first(resource: Resource, names: tuple[str, ...]) -> str:
    for name in names:
        found = resource.get(name)
        if isinstance(found, dict):
            found = found.get("start") or found.get("end")
        if found and isinstance(found, str):
            return found
    return ""
