"""StructureDefinitions as instances: the elements that a differential speaks of exist (R4,
structuredefinition.html).
"""

from __future__ import annotations

from typing import Any

from salus.standards.fhir.model import Element, properties, type_definition
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.validation.issue import Where, quote


def check_structure_definition(node: dict[str, Any], where: Where, run: Run) -> None:  # Any: FHIR JSON
    """Report paths that lead to no element, and types that a definition cannot have."""
    name = node.get("type")
    if type(name) is not str:
        return
    if node.get("derivation") == "specialization":
        _check_new_type(node, name, where, run)
    root = name.rpartition("/")[2]
    for part in ("snapshot", "differential"):
        elements = node[part].get("element") if type(node.get(part)) is dict else None
        for index, element in enumerate(elements if type(elements) is list else ()):
            path = element.get("path") if type(element) is dict else None
            place: Where = ((where, part, None), "element", index)
            if run.is_cut:
                return
            if type(path) is str:
                _check_path(path, root, node, place, run)


def _check_new_type(node: dict[str, Any], name: str, where: Where, run: Run) -> None:
    if node.get("baseDefinition") == name:
        message = f"The type {quote(name)} is that of its base; a new type has a name of its own."
        run.add("error", "structure", "definition-type", (where, "type", None), message)


def _check_path(path: str, root: str, node: dict[str, Any], where: Where, run: Run) -> None:
    first, *steps = path.split(".")
    if first != root:
        message = f"The path {quote(path)} does not start with the type {root}; correct it."
        run.add("error", "structure", "definition-path", (where, "path", None), message)
    elif node.get("derivation") == "constraint" and type_definition(root) is not None:
        wrong = _missing_step(root, steps)
        if wrong:
            message = f"The path {quote(path)} leads to no element: there is no {wrong}; correct it."
            run.add("error", "structure", "definition-path", (where, "path", None), message)


def _missing_step(root: str, steps: list[str]) -> str:
    """Return the first step that leads nowhere, "" if all lead somewhere."""
    types = {root}
    for step in steps:
        found = [element for one in types for element in _children(one, step)]
        if not found:
            return "" if "Resource" in types else step
        types = {reference.code for element in found for reference in element.types}
    return ""


def _children(type_name: str, step: str) -> list[Element]:
    name = step.partition(":")[0]
    definition = type_definition(type_name)
    if definition is None:
        return []
    if definition.kind == "primitive" and name == "value":
        return [definition.elements["id"]]
    element = definition.elements.get(name.removesuffix("[x]"))
    if element is not None and element.choice == name.endswith("[x]"):
        return [element]
    prop = properties(type_name).get(name)
    return [prop.element] if prop is not None and prop.element.choice else []
