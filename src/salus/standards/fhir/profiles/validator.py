"""Validation against profiles: the door of this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.bundles import check_belonging
from salus.standards.fhir.profiles.documents import check_document
from salus.standards.fhir.profiles.items import Item, kind_of
from salus.standards.fhir.profiles.policy import LENIENT, Policy
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.profiles.vital_signs import implied_profile
from salus.standards.fhir.profiles.walk import Walk
from salus.standards.fhir.validation.issue import Issue, Where
from salus.standards.fhir.validation.validator import more_issues, validate

_NONE: Mapping[str, str] = {}

CLAIMS_MAX = 20
"""Most profiles of one meta.profile that are checked."""


def check_resource(
    resource: dict[str, Any],  # Any: FHIR JSON
    book: Book,
    profiles: Sequence[str] = (),
    inner: Mapping[str, str] = _NONE,
    *,
    beside: Sequence[dict[str, Any]] = (),  # Any: FHIR JSON
    policy: Policy = LENIENT,
    now: datetime | None = None,
) -> list[Issue]:
    """Return what is wrong with a resource by R4 and by profiles; base issues first.

    Every profile that a resource in it claims (meta.profile) is checked too, and every extension by its
    definition.
    Nothing is raised, whatever the JSON is.

    Args:
        resource: JSON as `codec.json.parse_json` or `codec.xml.parse_xml` returns it.
        book: the profiles at hand.
        profiles: canonicals of those that the resource must follow.
        inner: canonicals, by resource type, that the entries of a Bundle must follow which claim none.
        beside: resources that references and canonicals may lead to besides those in the resource.
        policy: what is asked beyond the standard.
        now: the present moment, for bounds that are a time from now; None: those are not checked.
    """
    base = validate(resource, undecided_fails=True)
    if type(resource) is not dict or type(resource.get("resourceType")) is not str:
        return base
    return distinct(
        [*base, *check_profiles(resource, book, profiles, inner, beside=beside, policy=policy, now=now)]
    )


def check_profiles(
    resource: dict[str, Any],  # Any: FHIR JSON
    book: Book,
    profiles: Sequence[str] = (),
    inner: Mapping[str, str] = _NONE,
    *,
    beside: Sequence[dict[str, Any]] = (),  # Any: FHIR JSON
    policy: Policy = LENIENT,
    now: datetime | None = None,
) -> list[Issue]:
    """Return what is wrong by profiles alone; as `check_resource`."""
    name = kind_of(resource)
    if not name:
        return []
    where: Where = (None, name, None)
    run = Run(resource, where, book, book.terminology, beside, now, policy)

    def at_resource(node: dict[str, Any], place: Where, run: Run) -> None:
        kind = kind_of(node)
        if kind == "Bundle":
            check_document(node, place, run)
        claimed = claims(node)
        if not claimed and kind in inner and (place[0] is not None or not profiles):
            claimed = [inner[kind]]
        for canonical in claimed:
            run.follow((node, None, kind, place), canonical)
        if kind == "Observation" and (implied := _implied(node, run, book)):
            run.follow((node, None, kind, place), implied)

    inner = dict(inner) | guided(beside)
    root: Item = (resource, None, name, where)
    try:
        _judge_implied(run, book)
        for canonical in profiles:
            run.follow(root, canonical)
        Walk(book, at_resource, policy).resource(resource, name, where, run)
        if name == "Bundle":
            check_belonging(resource, where, run)
    except RecursionError:
        message = "The resource is nested too deeply to check its profiles; flatten it."
        run.issues.append(Issue("error", "too-long", "too-deep", name, message))
    run.supplied = None  # it knows the run: a circle that would keep the resource until a collection
    if run.is_cut:
        run.issues.append(more_issues(name))
    return distinct(run.issues)


def _judge_implied(run: Run, book: Book) -> None:
    """Judge vital signs first: what follows the profile of its code need not be judged by its bases."""
    for resource, where in run.around.all():
        if resource.get("resourceType") == "Observation" and (implied := _implied(resource, run, book)):
            run.cover((resource, None, "Observation", where), implied)


def _implied(observation: dict[str, Any], run: Run, book: Book) -> str:  # Any: FHIR JSON
    """Return the profile that the code of an Observation implies, "" for none that is at hand."""
    implied = implied_profile(run.pairs_of(observation, "code"))
    return implied if implied and book.find(implied) is not None else ""


def guided(beside: Iterable[dict[str, Any]]) -> dict[str, str]:  # Any: FHIR JSON
    """Return the profile of each type that an ImplementationGuide beside says holds globally."""
    rows = (one.get("global") for one in beside if one.get("resourceType") == "ImplementationGuide")
    return {
        row["type"]: row["profile"]
        for found in rows
        for row in (found if type(found) is list else ())
        if type(row) is dict and type(row.get("type")) is str and type(row.get("profile")) is str
    }


def claims(resource: dict[str, Any]) -> list[str]:  # Any: FHIR JSON
    """Return the profiles that a resource claims to follow."""
    meta = resource.get("meta")
    found = meta.get("profile") if type(meta) is dict else None
    return [one for one in found if type(one) is str][:CLAIMS_MAX] if type(found) is list else []


def distinct(issues: Iterable[Issue]) -> list[Issue]:
    """Return the issues, each once."""
    return list(dict.fromkeys(issues))
