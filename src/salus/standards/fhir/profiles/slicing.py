"""Slices: each occurrence of an element goes to the first slice it belongs to; then slices are counted and
checked.

R4, profiling.html#slicing: open, closed, openAtEnd, ordered, and slices of slices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from salus.standards.fhir.profiles.facts import Rules
from salus.standards.fhir.profiles.items import Item
from salus.standards.fhir.profiles.matching import Belongs
from salus.standards.fhir.profiles.run import Check, Run
from salus.standards.fhir.validation.issue import Where

Follow = Callable[[Item, Run], None]
Divide = Callable[[Sequence[Item], Where, Run], None]


class Slice(msgspec.Struct, frozen=True):
    """One slice, compiled.

    Args:
        shown: words for what tells it from others.
        divide: its own slices, None where it has none.
        is_near: whether an item belongs but for the profile that it should follow.
        profiles: tells what is wrong with such an item by that profile.
    """

    name: str
    min: int
    max: int | None
    belongs: Belongs
    shown: str
    check: Check | None
    divide: Divide | None
    is_near: Belongs | None = None
    profiles: Follow | None = None


def divide(slices: Sequence[Slice], rules: Rules, label: str, profile: str) -> Divide:
    """Return what puts items into slices, and reports what is wrong with that.

    Args:
        slices: in the profile's order.
        rules: those of the element that is sliced.
        label: the element's name.
        profile: whose slices they are, for messages.
    """
    slicing = rules.slicing
    is_closed = slicing is not None and slicing.rules == "closed"
    is_open_at_end = slicing is not None and slicing.rules == "openAtEnd"
    is_ordered = slicing is not None and slicing.ordered

    def run_all(items: Sequence[Item], where: Where, run: Run) -> None:
        found: list[list[Item]] = [[] for _ in slices]
        left: list[Item] = []
        last = -1
        for item in items:
            at = next((n for n, one in enumerate(slices) if one.belongs(item, run)), None)
            if at is None:
                left.append(item)
                if is_closed:
                    _report_unmatched(item, label, profile, run)
                last = len(slices) if is_open_at_end else last
                continue
            if (is_ordered or is_open_at_end) and at < last:
                message = f"{slices[at].name} stands too late; {profile} gives an order. Move it up."
                run.add("error", "structure", "slice-order", item[3], message)
            last = max(last, at) if is_ordered else last
            found[at].append(item)
        for one, inside in zip(slices, found, strict=True):
            _check_slice(one, inside, (where, label, None), profile, run)
            if len(inside) < one.min and one.is_near is not None and one.profiles is not None:
                _explain(one.is_near, one.profiles, left, run)

    return run_all


def _explain(is_near: Belongs, follow: Follow, left: Sequence[Item], run: Run) -> None:
    """Tell what keeps items from a slice that they would belong to if they followed its profile."""
    for item in left:
        if is_near(item, run):
            follow(item, run)


def _report_unmatched(item: Item, label: str, profile: str, run: Run) -> None:
    message = f"This {label} is in none of the slices that {profile} allows; remove it or make it fit one."
    run.add("error", "structure", "slice-closed", item[3], message)


def _check_slice(one: Slice, items: Sequence[Item], where: Where, profile: str, run: Run) -> None:
    count = len(items)
    if count < one.min:
        shown = f" ({one.shown})" if one.shown else ""
        message = (
            f"{profile} requires {one.min} of {where[1]}:{one.name}{shown}; {count or 'none'} found. Add it."
        )
        run.add("error", "required", "slice-min", where, message)
    if one.max is not None and count > one.max:
        message = (
            f"{profile} allows {one.max} of {where[1]}:{one.name}, {count} were found; remove the others."
        )
        run.add("error", "structure", "slice-max", items[one.max][3], message)
    if one.check is not None:
        for item in items:
            one.check(item, run)
    if one.divide is not None:
        assert where[0] is not None
        one.divide(items, where[0], run)
