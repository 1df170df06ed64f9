"""Slices: each occurrence of an element goes to the first slice it belongs to; then slices are counted and
checked.

R4, profiling.html#slicing: open, closed, openAtEnd, ordered, and slices of slices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from salus.standards.fhir.model import ancestors
from salus.standards.fhir.profiles.facts import Rules
from salus.standards.fhir.profiles.items import Item
from salus.standards.fhir.profiles.likeness import warn_of_likeness
from salus.standards.fhir.profiles.matching import Belongs, Match, Near, Target, target_reader
from salus.standards.fhir.profiles.run import Check, Run
from salus.standards.fhir.profiles.telling import Telling, codings
from salus.standards.fhir.validation.issue import Where

KINDS_MAX = 300
"""Most types that one slicing remembers."""

Divide = Callable[[Sequence[Item], Where, Run], None]


class Slice(msgspec.Struct, frozen=True):
    """One slice, compiled.

    Args:
        match: which items belong.
        divide: its own slices, None where it has none.
    """

    name: str
    min: int
    max: int | None
    match: Match
    check: Check | None
    divide: Divide | None


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
    find = _finder(slices)
    codes = {code: (system, one.name) for one in slices for _, system, code in one.match.codes}
    child = next((name for one in slices for name, _, _ in one.match.codes), "")

    def run_all(items: Sequence[Item], where: Where, run: Run) -> None:
        found: list[list[Item]] = [[] for _ in slices]
        left: list[Item] = []
        last = -1
        for item in items:
            at = find(item, run)
            if at is None:
                left.append(item)
                if codes:
                    warn_of_likeness(item, child, codes, label, run)
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
            if inside or one.min:
                _check_slice(one, inside, (where, label, None), profile, run)
            if len(inside) < one.min and one.match.near is not None:
                _explain(one.match.near, left, run)

    return run_all


def _finder(slices: Sequence[Slice]) -> Callable[[Item, Run], int | None]:
    """Return what finds the slice of an item; by its type first, where all slices are told apart so."""
    by_code = _finder_by_code(slices)
    if by_code is not None:
        return by_code
    steps = {one.match.steps for one in slices}
    read = target_reader(next(iter(steps))) if len(steps) == 1 else None
    if read is None:
        tests = tuple(enumerate(one.match.belongs for one in slices))

        def find(item: Item, run: Run) -> int | None:
            for number, belongs in tests:
                if belongs(item, run):
                    return number
            return None

        return find
    return _finder_by_kind(slices, read)


Candidate = tuple[int, tuple[str, ...], Telling, Belongs | None]
"""Number of a slice; profiles of which what is looked at follows one, what tells at once that it does not,
or else a predicate of the item."""


def _finder_by_kind(slices: Sequence[Slice], read: Target) -> Callable[[Item, Run], int | None]:
    """Return what finds the slice of an item by the type of one thing in it."""
    by_kind: dict[str, tuple[Candidate, ...]] = {}

    def of_kind(kind: str, run: Run) -> tuple[Candidate, ...]:
        family = {kind, *ancestors(kind)}
        found = tuple(
            (number, one.match.names, _told(one.match.names, run), one.match.rest)
            for number, one in enumerate(slices)
            if not family.isdisjoint(one.match.kinds)
        )
        if len(by_kind) < KINDS_MAX:
            by_kind[kind] = found
        return found

    def find(item: Item, run: Run) -> int | None:
        target = read(item, run)
        kind = target[2] if target is not None else ""
        candidates = by_kind.get(kind)
        if candidates is None:
            candidates = of_kind(kind, run)
        for number, names, told, rest in candidates:
            if names and target is not None:
                if told and run.has_other_code(target[0], told):
                    continue
                for name in names:
                    if run.conforms(target, name):
                        return number
            elif rest is None or rest(item, run):
                return number
        return None

    return find


def _told(names: tuple[str, ...], run: Run) -> Telling:
    """Return what tells that something follows none of the profiles; nothing where there are several."""
    return run.book.telling_of(names[0]) if len(names) == 1 and run.book.type_of(names[0]) else ()


def _finder_by_code(slices: Sequence[Slice]) -> Callable[[Item, Run], int | None] | None:
    """Return what finds the slice of an item by its code, where each looks for one at the same place."""
    children = {one.match.codes[0][0] if one.match.is_by_code else None for one in slices}
    child = next(iter(children)) if len(children) == 1 else None
    if child is None:
        return None
    name = child
    numbers: dict[tuple[str, str], int] = {}
    for number, one in enumerate(slices):
        _, system, code = one.match.codes[0]
        numbers.setdefault((system, code), number)

    def find(item: Item, run: Run) -> int | None:
        value = item[0]
        concept = value.get(name) if name and type(value) is dict else value
        concepts = concept if type(concept) is list else (concept,)
        found = [numbers[pair] for one in concepts for pair in codings(one) if pair in numbers]
        return min(found) if found else None

    return find


def _explain(near: Near, left: Sequence[Item], run: Run) -> None:
    """Tell what keeps items from a slice that they would belong to if they followed its profile."""
    is_near, follow = near
    for item in left:
        if is_near(item, run):
            follow(item, run)


def _report_unmatched(item: Item, label: str, profile: str, run: Run) -> None:
    message = f"This {label} is in none of the slices that {profile} allows; remove it or make it fit one."
    run.add("error", "structure", "slice-closed", item[3], message)


def _check_slice(one: Slice, items: Sequence[Item], where: Where, profile: str, run: Run) -> None:
    count = len(items)
    if count < one.min:
        shown = f" ({one.match.shown})" if one.match.shown else ""
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
