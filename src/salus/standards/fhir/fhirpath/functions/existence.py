"""Existence (FHIRPath N1, section 5.1)."""

from __future__ import annotations

from salus.standards.fhir.fhirpath.environment import Context
from salus.standards.fhir.fhirpath.equality import distinct, key_of
from salus.standards.fhir.fhirpath.functions.filtering import where
from salus.standards.fhir.fhirpath.functions.function import SAME, Evaluate, Function
from salus.standards.fhir.fhirpath.truth import is_true, truth
from salus.standards.fhir.fhirpath.values import Collection, system_value


def _empty(context: Context, items: Collection) -> Collection:
    return [not items]


def _exists(context: Context, items: Collection, criteria: Evaluate | None = None) -> Collection:
    return [bool(items if criteria is None else where(context, items, criteria))]


def _all(context: Context, items: Collection, criteria: Evaluate) -> Collection:
    return [all(is_true(criteria(context.enter([item], index))) for index, item in enumerate(items))]


def _not(context: Context, items: Collection) -> Collection:
    value = truth(items)
    return [] if value is None else [not value]


def _all_true(context: Context, items: Collection) -> Collection:
    return [all(system_value(item) is True for item in items)]


def _any_true(context: Context, items: Collection) -> Collection:
    return [any(system_value(item) is True for item in items)]


def _all_false(context: Context, items: Collection) -> Collection:
    return [all(system_value(item) is False for item in items)]


def _any_false(context: Context, items: Collection) -> Collection:
    return [any(system_value(item) is False for item in items)]


def _subset_of(context: Context, items: Collection, other: Collection) -> Collection:
    spend = context.budget.spend
    return [{key_of(item, spend) for item in items} <= {key_of(item, spend) for item in other}]


def _superset_of(context: Context, items: Collection, other: Collection) -> Collection:
    spend = context.budget.spend
    return [{key_of(item, spend) for item in items} >= {key_of(item, spend) for item in other}]


def _count(context: Context, items: Collection) -> Collection:
    return [len(items)]


def _distinct(context: Context, items: Collection) -> Collection:
    return distinct(items, context.budget.spend)


def _is_distinct(context: Context, items: Collection) -> Collection:
    return [len(distinct(items, context.budget.spend)) == len(items)]


FUNCTIONS = {
    "empty": Function(_empty, result="Boolean"),
    "exists": Function(_exists, 0, 1, lazy=True, result="Boolean"),
    "all": Function(_all, 1, 1, lazy=True, result="Boolean"),
    "not": Function(_not, result="Boolean"),
    "allTrue": Function(_all_true, result="Boolean"),
    "anyTrue": Function(_any_true, result="Boolean"),
    "allFalse": Function(_all_false, result="Boolean"),
    "anyFalse": Function(_any_false, result="Boolean"),
    "subsetOf": Function(_subset_of, 1, 1, result="Boolean"),
    "supersetOf": Function(_superset_of, 1, 1, result="Boolean"),
    "count": Function(_count, result="Integer"),
    "distinct": Function(_distinct, result=SAME),
    "isDistinct": Function(_is_distinct, result="Boolean"),
}
