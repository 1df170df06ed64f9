"""Types, their profiles, and what references lead to (R4, ElementDefinition.type)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from salus.standards.fhir.model import ancestors, resource_types
from salus.standards.fhir.profiles.base_types import CORE
from salus.standards.fhir.profiles.facts import TypeRule
from salus.standards.fhir.profiles.items import Item
from salus.standards.fhir.profiles.run import Check, Checks, Run
from salus.standards.fhir.validation.issue import quote

_NAMED = re.compile(
    r"(?:.*/)?([A-Z][A-Za-z]+)(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/.+)?|\?.*)(?:#.*)?"
).fullmatch


def type_checks(
    types: Sequence[TypeRule], profile: str, book: Checks, *, is_told: bool = False
) -> list[Check]:
    """Return the checks of what an item may be: its type, the profiles of it, the targets of references.

    `is_told` says that the element has one type anyway.
    """
    if not types:
        return []
    found: list[Check] = [] if is_told else [_of_type({rule.code for rule in types}, profile)]
    for rule in types:
        if rule.profiles and not all(map(book.is_idle, rule.profiles)):
            found.append(_of_profiles(rule.code, rule.profiles, profile))
        if rule.aggregation and rule.code == "Reference":
            found.append(_by_aggregation(frozenset(rule.aggregation), profile))
        if rule.targets and rule.code == "Reference":
            found.append(_to_targets(rule.targets, profile, book))
    return found


def _of_type(codes: set[str], profile: str) -> Check:
    shown = ", ".join(sorted(codes))

    def check(item: Item, run: Run) -> None:
        kind = item[2]
        if kind not in codes and codes.isdisjoint(ancestors(kind)) and not _is_close(kind, codes):
            message = f"{profile} takes {shown} here, not {kind}; give one of these."
            run.add("error", "structure", "profile-type", item[3], message)

    return check


def _is_close(kind: str, codes: set[str]) -> bool:
    """Return whether the type is written another way: backbone elements, and System.String for string."""
    return "." in kind or not codes.isdisjoint({"String", "Element", "BackboneElement"})


def _of_profiles(code: str, profiles: tuple[str, ...], profile: str) -> Check:
    only = profiles[0]

    def one(item: Item, run: Run) -> None:
        if item[2] == code:
            run.follow(item, only)

    def any_of(item: Item, run: Run) -> None:
        if item[2] == code and not any(run.conforms(item, name) for name in profiles):
            message = f"It follows none of the profiles that {profile} asks for: {', '.join(profiles)}."
            run.add("error", "structure", "profile-none", item[3], message)

    return one if len(profiles) == 1 else any_of


def _by_aggregation(modes: frozenset[str], profile: str) -> Check:
    """Return the check of where a reference may lead: into the resource, into the Bundle, elsewhere."""

    def check(item: Item, run: Run) -> None:
        text = item[0].get("reference") if type(item[0]) is dict else None
        if type(text) is not str:
            return
        mode = "contained" if text[:1] == "#" else "referenced" if run.resolve(text) is None else "bundled"
        if mode not in modes:
            message = f"The reference is {mode}; {profile} allows {', '.join(sorted(modes))} only."
            run.add("error", "value", "profile-aggregation", item[3], message)

    return check


def named_type(reference: Any) -> str:  # Any: a JSON value
    """Return the resource type that the text of a reference names, "" for none."""
    match = _NAMED(reference) if type(reference) is str and len(reference) < 2000 else None
    return match[1] if match is not None and match[1] in resource_types() else ""


def _to_targets(targets: tuple[str, ...], profile: str, book: Checks) -> Check:
    kinds = {target: book.type_of(target) for target in targets}
    allowed = ", ".join(sorted({kind or target for target, kind in kinds.items()}))
    is_any = any(kind in ("Resource", "DomainResource") for kind in kinds.values())

    by_kind: dict[str, list[str]] = {}
    base = frozenset(target for target in targets if _is_base(target))

    def candidates(kind: str) -> list[str]:
        found = by_kind.get(kind)
        if found is None:
            found = by_kind[kind] = [target for target, one in kinds.items() if one == kind or not one]
        return found

    def refuse(kind: str, item: Item, run: Run) -> None:
        message = f"{profile} does not allow a reference to {quote(kind)} here; refer to one of: {allowed}."
        run.add("error", "value", "profile-target", item[3], message)

    def check(item: Item, run: Run) -> None:
        value = item[0]
        text = value.get("reference") if type(value) is dict else None
        if type(text) is not str or item[2] != "Reference":
            return
        target = run.resolve(text)
        if target is None:
            kind = named_type(text)
            if kind and not is_any and not candidates(kind):
                refuse(kind, item, run)
            return
        left = candidates(target[2])
        if not left:
            if not is_any:
                refuse(target[2], item, run)
        elif not base.isdisjoint(left):
            return
        elif len(left) == 1:
            run.follow(target, left[0])
        elif not any(run.conforms(target, one) for one in left):
            _none_fits(left, item, target, run, profile)

    return check


def _none_fits(left: list[str], item: Item, target: Item, run: Run, profile: str) -> None:
    shown = ", ".join(left)
    first = next((one.message for one in run.judge(target, left[0]) if one.severity == "error"), "")
    message = (
        f"The {target[2]} follows none of the profiles that {profile} allows: {shown}. By the first: {first}"
    )
    run.add("error", "structure", "profile-target-none", item[3], message)


def _is_base(canonical: str) -> bool:
    name = canonical.removeprefix(CORE)
    return name != canonical and name.partition("|")[0] in resource_types()
