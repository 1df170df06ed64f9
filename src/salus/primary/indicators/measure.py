"""Indicators as FHIR Measures and MeasureReports (http://hl7.org/fhir/R4/measurereport.html).

A Measure of proportion scoring for each indicator, and a summary report of a period with a group for each
group of results; a collection Bundle holds both.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from salus.primary.indicators.results import Result
from salus.primary.indicators.table import Indicator, indicators

POPULATION = "http://terminology.hl7.org/CodeSystem/measure-population"
SCORING = "http://terminology.hl7.org/CodeSystem/measure-scoring"
IMPROVEMENT = "http://terminology.hl7.org/CodeSystem/measure-improvement-notation"
_NAMESPACE = uuid.UUID("0c5fd2a4-5b0b-5d8e-8d0a-7f3b5c1f4a96")

Json = dict[str, Any]  # FHIR content is open JSON


def measure_bundle(
    results: Sequence[Result],
    by: Sequence[str],
    *,
    base: str,
    reporter: str,
    first: date,
    last: date,
    now: datetime,
) -> Json:
    """Return the Measures and the MeasureReports of a period.

    Args:
        results: as worked out of the counts of the period.
        by: the groupings of the results.
        base: FHIR base address of the node, by which the Measures are named.
        reporter: name of the node.
        first: day on which the period begins.
        last: its last day.
        now: when it is reported (aware).
    """
    entries = []
    for name, indicator in indicators().items():
        mine = [each for each in results if each.indicator == name]
        measure = _measure(name, indicator, base)
        report: Json = {
            "resourceType": "MeasureReport",
            "status": "complete",
            "type": "summary",
            "measure": measure["url"],
            "date": now.isoformat(timespec="seconds"),
            "reporter": {"display": reporter},
            "period": {"start": first.isoformat(), "end": last.isoformat()},
            "improvementNotation": measure["improvementNotation"],
        }
        if mine:
            report["group"] = [_group(each, by) for each in mine]
        entries += [_entry(measure), _entry(report)]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": now.isoformat(timespec="seconds"),
        "entry": entries,
    }


def _measure(name: str, indicator: Indicator, base: str) -> Json:
    return {
        "resourceType": "Measure",
        "url": f"{base}/Measure/{name}",
        "name": name.title().replace("-", ""),
        "title": indicator.title,
        "status": "active",
        "purpose": indicator.law,
        "scoring": _coded(SCORING, "proportion"),
        "improvementNotation": _coded(IMPROVEMENT, indicator.better),
    }


def _group(result: Result, by: Sequence[str]) -> Json:
    found: Json = {
        "population": [
            _population("numerator", result.numerator),
            _population("denominator", result.denominator),
        ]
    }
    if by:
        named = ", ".join(
            f"{name} {text or '(unknown)'}" for name, text in zip(by, result.group, strict=True)
        )
        found["code"] = {"text": named}
    if result.share is not None:
        found["measureScore"] = {"value": round(result.share, 4)}
    return found


def _population(code: str, count: int | None) -> Json:
    population: Json = {"code": _coded(POPULATION, code)}
    if count is not None:
        population["count"] = count
    return population


def _coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _entry(resource: Json) -> Json:
    named = (
        f"{resource['resourceType']} {resource.get('url') or resource['measure']} {resource.get('date', '')}"
    )
    return {"fullUrl": f"urn:uuid:{uuid.uuid5(_NAMESPACE, named)}", "resource": resource}
