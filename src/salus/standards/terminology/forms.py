"""R4's form of what R5 added: properties of expanded codes are extensions there (tx-ecosystem, r4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from salus.standards.terminology.concepts import Json, value_of

_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion"
PROPERTY = f"{_R5}.property"
CONTAINS_PROPERTY = f"{_R5}.contains.property"


def as_r4(resource: Json) -> Json:
    """Return a resource in the form of R4; only expansions differ."""
    expansion = resource.get("expansion")
    if resource.get("resourceType") != "ValueSet" or not isinstance(expansion, dict):
        return resource
    return resource | {"expansion": _expansion(expansion)}


def _expansion(expansion: Mapping[str, Any]) -> Json:
    found = {key: value for key, value in expansion.items() if key != "property"}
    declared = [
        _extension(PROPERTY, code=("valueCode", one.get("code")), uri=("valueUri", one.get("uri")))
        for one in expansion.get("property", ())
    ]
    if declared:
        found["extension"] = [*expansion.get("extension", ()), *declared]
    if "contains" in expansion:
        found["contains"] = [_row(one) for one in expansion["contains"]]
    return found


def _row(row: Mapping[str, Any]) -> Json:
    found = {key: value for key, value in row.items() if key != "property"}
    extensions = [_of_property(one) for one in row.get("property", ())]
    if extensions:
        found["extension"] = [*row.get("extension", ()), *extensions]
    if "contains" in row:
        found["contains"] = [_row(one) for one in row["contains"]]
    return found


def _of_property(one: Mapping[str, Any]) -> Json:
    value = value_of(one)
    return _extension(
        CONTAINS_PROPERTY, code=("valueCode", one.get("code")), value=value or ("valueString", None)
    )


def _extension(url: str, **parts: tuple[str, Any]) -> Json:
    rows = [{"url": name, kind: value} for name, (kind, value) in parts.items() if value not in (None, "")]
    return {"url": url, "extension": rows}


def as_r5(resource: Json) -> Json:
    """Return a resource with properties of expanded codes as R5 has them."""
    expansion = resource.get("expansion")
    if resource.get("resourceType") != "ValueSet" or not isinstance(expansion, dict):
        return resource
    return resource | {"expansion": _lifted(expansion, PROPERTY)}


def _lifted(element: Mapping[str, Any], url: str) -> Json:
    found = dict(element)
    extensions = list(element.get("extension", ()))
    rows = [_property(one["extension"]) for one in extensions if one.get("url") == url]
    rest = [one for one in extensions if one.get("url") != url]
    found.pop("extension", None)
    if rest:
        found["extension"] = rest
    if rows:
        found["property"] = rows
    if "contains" in element:
        found["contains"] = [_lifted(one, CONTAINS_PROPERTY) for one in element["contains"]]
    return found


def _property(parts: Sequence[Mapping[str, Any]]) -> Json:
    """Return a property from its parts: each by its name, the value by its type."""
    found: Json = {}
    for part in parts:
        value = value_of(part)
        if value is not None:
            found[value[0] if part["url"] == "value" else part["url"]] = value[1]
    return found
