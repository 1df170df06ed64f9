"""Of which priority category is a file, and by which profiles is it judged (Regulation (EU) 2025/327, Art.
14(1))?

A claim (meta.profile) says most, then the type or category of a document's Composition, then the types of
resources.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.standards.fhir.profiles.validator import claims

LOINC = "http://loinc.org"


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One priority category; the meaning of the fields is in the head of categories.toml."""

    article: str
    claims: tuple[str, ...]
    codes: tuple[str, ...]
    types: tuple[str, ...]
    document: str = ""
    resources: dict[str, str] = {}


class Detected(msgspec.Struct, frozen=True):
    """What a file is.

    Args:
        category: name of its category, "" for none.
        profiles: what the file itself must follow; what it claims is checked anyway.
        inner: profile by resource type, for the entries of a Bundle that is no document.
    """

    category: str = ""
    profiles: tuple[str, ...] = ()
    inner: Mapping[str, str] = {}


@cache
def categories() -> dict[str, Category]:
    """Return the table, keyed by the category's name."""
    table = resources.files(__package__).joinpath("categories.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, Category])


def detect(resource: dict[str, Any]) -> Detected:  # Any: FHIR JSON
    """Return the category of a resource and the profiles by which it is judged."""
    kind = str(resource.get("resourceType"))
    if kind != "Bundle":
        return _of_resource(resource, kind)
    inner = tuple(_entries(resource))
    for category in (
        _by_claims(claims(resource)),
        _by_claims([claim for one in inner[:1] if _is(one, "Composition") for claim in claims(one)]),
        _by_codes(inner[0]) if inner and _is(inner[0], "Composition") else "",
        _by_types(inner),
    ):
        if category:
            return _of_bundle(resource, category, is_document=resource.get("type") == "document")
    return Detected("", tuple(claims(resource)))


def _of_bundle(bundle: dict[str, Any], category: str, *, is_document: bool) -> Detected:
    row = categories()[category]
    claimed = tuple(claims(bundle))
    if is_document:
        return Detected(category, claimed or ((row.document,) if row.document else ()))
    return Detected(category, claimed, row.resources)


def _of_resource(resource: dict[str, Any], kind: str) -> Detected:
    claimed = tuple(claims(resource))
    category = _by_claims(claimed) or (
        _by_codes(resource) if kind == "Composition" else _by_types((resource,))
    )
    if not category:
        return Detected("", claimed)
    wanted = categories()[category].resources.get(kind)
    return Detected(category, claimed or ((wanted,) if wanted else ()))


def _entries(bundle: dict[str, Any]) -> Iterator[dict[str, Any]]:
    entries = bundle.get("entry")
    for entry in entries if type(entries) is list else ():
        resource = entry.get("resource") if type(entry) is dict else None
        if type(resource) is dict:
            yield resource


def _is(resource: dict[str, Any], kind: str) -> bool:
    return resource.get("resourceType") == kind


def _by_claims(claimed: list[str] | tuple[str, ...]) -> str:
    for name, row in categories().items():
        if any(claim.startswith(row.claims) for claim in claimed):
            return name
    return ""


def _by_codes(composition: dict[str, Any]) -> str:
    found = set(_loinc(composition.get("type")))
    more = composition.get("category")
    for one in more if type(more) is list else ():
        found.update(_loinc(one))
    return next((name for name, row in categories().items() if not found.isdisjoint(row.codes)), "")


def _loinc(concept: Any) -> Iterator[str]:  # Any: whatever was sent
    codings = concept.get("coding") if type(concept) is dict else None
    for coding in codings if type(codings) is list else ():
        if type(coding) is dict and coding.get("system") == LOINC and type(coding.get("code")) is str:
            yield coding["code"]


def _by_types(found: tuple[dict[str, Any], ...]) -> str:
    kinds = [one.get("resourceType") for one in found]
    return next(
        (name for name, row in reversed(categories().items()) if any(kind in row.types for kind in kinds)), ""
    )
