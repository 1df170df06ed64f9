"""Results that the law shows the person later (EHDS article 3(3)): a veil that ends by itself.

It hangs from the transaction that writes a result until its delay is over, over the result and what states
it, and hides from the person and whoever asks for them alone (docs/decisions/0036). Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from math import ceil
from typing import Any

import msgspec

from salus.store.veils import Said, Veil
from salus.trust.audiences import WAITING

TYPES = frozenset({"Observation", "DiagnosticReport", "ImagingStudy", "DocumentReference", "Composition"})
_ISSUED = ("issued", "date", "started")
_HOUR = 3_600
Json = dict[str, Any]  # Any: a resource


class _Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    types: frozenset[str]
    codes: frozenset[str]


@cache
def _categories() -> dict[str, _Known]:
    table = resources.files(__package__).joinpath("delays.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, _Known])


def veil_over_result(resource: Json, delays: tuple[tuple[str, int], ...], written: datetime) -> Veil | None:
    """Return the veil over what is written; None where it is no result that waits.

    Args:
        resource: it.
        delays: hours by category.
        written: when; a result that does not say when it was issued, or says a later time, was issued then.
    """
    hours = max((hours for category, hours in delays if _is_of(resource, category)), default=0)
    if not hours:
        return None
    ends = min(_issued(resource) or written, written) + timedelta(hours=hours)
    if ends <= written:
        return None
    # To the hour: results of one morning share a veil.
    until = ceil(ends.timestamp() / _HOUR) * _HOUR
    return Veil(f"delay-{until}", (Said((WAITING,), ends=float(until)),))


def _is_of(resource: Json, category: str) -> bool:
    known, kind = _categories()[category], resource.get("resourceType")
    if kind in known.types:
        return True
    return kind in TYPES and not known.codes.isdisjoint(_codes(resource))


def _codes(resource: Json) -> set[str]:
    found = [*_listed(resource.get("category")), *_listed(resource.get("type"))]
    return {
        str(coding.get("code"))
        for concept in found
        if isinstance(concept, dict)
        for coding in _listed(concept.get("coding"))
        if isinstance(coding, dict)
    }


def _listed(found: object) -> list[Any]:  # Any: JSON
    return found if isinstance(found, list) else [] if found is None else [found]


def _issued(resource: Json) -> datetime | None:
    for name in _ISSUED:
        try:
            moment = datetime.fromisoformat(str(resource.get(name, "")))
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
