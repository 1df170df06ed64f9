"""What an expression (FHIRPath) or a path (XPath on the XML form, or element names) finds in a resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from salus.standards.fhir.codec.xml import FHIR, read_tree, write_xml
from salus.standards.fhir.fhirpath.expression import compile_expression

Json = dict[str, Any]  # Any: FHIR JSON


def selected(resource: Json, asked: Mapping[str, Any]) -> list[str]:
    """Return what `expression` or `path` of a variable or an assertion selects, as texts."""
    if "expression" in asked:
        return by_expression(resource, asked["expression"])
    return by_path(resource, asked["path"])


def by_expression(resource: Json, expression: str) -> list[str]:
    """Return the values that a FHIRPath expression selects, as texts."""
    found = compile_expression(expression, str(resource.get("resourceType", "")))(resource)
    return [_text(one) for one in found]


def by_path(resource: Json, path: str) -> list[str]:
    """Return the values at a path: `fhir:Patient/fhir:id/@value` (XPath), or names such as `Patient/id`."""
    if "fhir:" in path or path.startswith("/"):
        root = read_tree(write_xml(resource))
        absolute = f"/{path}" if path.startswith("fhir:") else path
        found = root.getroottree().xpath(absolute, namespaces={"fhir": FHIR})
        listed = found if isinstance(found, list) else [found]
        return [one.get("value", "") if isinstance(one, etree._Element) else _text(one) for one in listed]
    values: list[Any] = [resource]
    names = path.split("/")
    for name in names[1:] if names[0] == resource.get("resourceType") else names:
        steps = (value.get(name) for value in values if isinstance(value, dict))
        values = [
            one for step in steps if step is not None for one in (step if isinstance(step, list) else [step])
        ]
    return [_text(value) for value in values]


def _text(value: Any) -> str:  # Any: JSON or a System value
    return str(value).lower() if isinstance(value, bool) else str(value)
