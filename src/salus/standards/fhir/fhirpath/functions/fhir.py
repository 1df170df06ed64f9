"""The functions that FHIR R4 adds (http://hl7.org/fhir/R4/fhirpath.html, "Additional functions")."""

from __future__ import annotations

import re
from typing import Any

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath import navigate
from salus.standards.fhir.fhirpath.environment import Context, resource_node, single
from salus.standards.fhir.fhirpath.functions.function import SAME, Function, boolean
from salus.standards.fhir.fhirpath.functions.strings import string
from salus.standards.fhir.fhirpath.values import Collection, Node, json_value, system_value
from salus.standards.fhir.model import resource_types, type_definition
from salus.standards.fhir.validation.narrative import problems

BASE_PROFILE = "http://hl7.org/fhir/StructureDefinition/"

_MARKUP_CHARACTERS_A_STEP = 10

_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/.*)?", re.ASCII)


def _extension(context: Context, items: Collection, url: Collection) -> Collection:
    wanted = string(url, "extension()")
    return [
        found
        for item in items
        if isinstance(item, Node)
        for found in navigate.member(item, "extension")
        if isinstance(found.value, dict) and found.value.get("url") == wanted
    ]


def _has_extension(context: Context, items: Collection, url: Collection) -> Collection:
    return [bool(_extension(context, items, url))]


def _has_value(context: Context, items: Collection) -> Collection:
    if len(items) != 1:
        return [False]
    value = json_value(items[0])
    return [value is not None and not isinstance(value, dict)]


def _get_value(context: Context, items: Collection) -> Collection:
    value = system_value(items[0]) if len(items) == 1 else None
    return [] if value is None or isinstance(value, Node) else [value]


def reference_of(item: Any) -> tuple[str, str]:  # any Item -> (reference, type named beside it)
    """Return the text of a Reference, canonical or uri, and the type that a Reference states."""
    value = json_value(item)
    if isinstance(value, dict):
        return str(value.get("reference") or ""), str(value.get("type") or "")
    return (value, "") if isinstance(value, str) else ("", "")


def referenced_type(reference: str) -> str:
    """Return the resource type that a reference names ("Patient/1", absolute or not), "" for none."""
    match = _REFERENCE.fullmatch(reference.split("|")[0].split("#")[0])
    return match[1] if match and match[1] in resource_types() else ""


def _contained(root: dict[str, Any], fragment: str) -> dict[str, Any] | None:
    if not fragment:
        return root
    contained = root.get("contained")
    candidates = contained if isinstance(contained, list) else []
    return next((one for one in candidates if isinstance(one, dict) and one.get("id") == fragment), None)


def _in_bundle(bundle: dict[str, Any], reference: str) -> dict[str, Any] | None:
    """Return the entry that a reference names, by fullUrl or by type and id."""
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else []:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        full_url = entry.get("fullUrl")
        own = f"{resource.get('resourceType')}/{resource.get('id')}"
        if full_url == reference or own == reference or str(full_url).endswith(f"/{reference}"):
            return resource
    return None


def _holder(node: Node) -> Node:
    """Return the node of the resource that holds a node: a contained one's container, an entry's resource."""
    holder = node
    while holder.parent is not None:
        holder = holder.parent
        if holder.parent is None or (holder.key == "resource" and holder.parent.type == "Bundle.entry"):
            return holder
    return holder


def _resolved(context: Context, item: Any) -> Node | None:  # any Item
    reference, stated = reference_of(item)
    if not reference:
        return None
    root = context.root_resource()
    found: dict[str, Any] | None = None
    if reference.startswith("#"):
        holders = [_holder(item)] if isinstance(item, Node) else []
        for holder in [*holders, *([root] if root else [])]:
            if found is None and isinstance(holder.value, dict):
                found = _contained(holder.value, reference[1:])
    elif root is not None and root.type == "Bundle":
        found = _in_bundle(root.value, reference)
    if found is None and context.environment.resolve is not None:
        found = context.environment.resolve(reference)
    if found is not None:
        return resource_node(found)
    named = (stated if stated in resource_types() else "") or referenced_type(reference)
    if named and context.environment.reference_stubs:
        return Node({"resourceType": named}, named)
    return None


def _resolve(context: Context, items: Collection) -> Collection:
    context.budget.spend(len(items))
    found = (_resolved(context, item) for item in items)
    return [node for node in found if node is not None]


def _member_of(context: Context, items: Collection, value_set: Collection) -> Collection:
    item, canonical = single(items, "memberOf()"), string(value_set, "memberOf()")
    if item is None or canonical is None:
        return []
    expand = context.environment.expand
    if expand is None:
        raise InvalidExpression("memberOf() cannot be answered here: no value sets are at hand")
    return boolean(expand(canonical, json_value(item)))


def _conforms_to(context: Context, items: Collection, profile: Collection) -> Collection:
    item, canonical = single(items, "conformsTo()"), string(profile, "conformsTo()")
    if item is None or canonical is None:
        return []
    name = canonical.removeprefix(BASE_PROFILE)
    if name != canonical and type_definition(name) is not None:
        return [isinstance(item, Node) and navigate.is_a(item.type, name)]
    check = context.environment.conforms
    if check is None:
        raise InvalidExpression(f"conformsTo() cannot be answered here: {canonical[:80]!r} is not at hand")
    return [check(canonical, json_value(item))]


def _html_checks(context: Context, items: Collection) -> Collection:
    value = json_value(single(items, "htmlChecks()"))
    if not isinstance(value, str):
        return [False]
    context.budget.spend(len(value) // _MARKUP_CHARACTERS_A_STEP)
    return [not problems(value)]


def _element_definition(context: Context, items: Collection) -> Collection:
    raise InvalidExpression("elementDefinition(), slice() and checkModifiers() are not supported")


FUNCTIONS = {
    "extension": Function(_extension, 1, 1, result="Extension", many=True),
    "hasExtension": Function(_has_extension, 1, 1, result="Boolean"),
    "hasValue": Function(_has_value, result="Boolean"),
    "getValue": Function(_get_value),
    "resolve": Function(_resolve, many=True),
    "memberOf": Function(_member_of, 1, 1, result="Boolean"),
    "conformsTo": Function(_conforms_to, 1, 1, result="Boolean"),
    "htmlChecks": Function(_html_checks, result="Boolean"),
    "htmlChecks2": Function(_html_checks, result="Boolean"),
    "elementDefinition": Function(_element_definition),
    "slice": Function(lambda context, items, *_: _element_definition(context, items), 2, 2),
    "checkModifiers": Function(
        lambda context, items, *_: _element_definition(context, items), 0, 20, result=SAME
    ),
}
