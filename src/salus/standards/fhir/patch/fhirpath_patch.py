"""FHIRPath Patch (http://hl7.org/fhir/R4/fhirpatch.html): add, insert, delete, replace, move."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NoReturn

from salus.core.errors import InvalidExpression, InvalidResource
from salus.standards.fhir.fhirpath.environment import Budget, Environment
from salus.standards.fhir.fhirpath.expression import compile_once
from salus.standards.fhir.fhirpath.navigate import Step, is_a, is_primitive, steps_of
from salus.standards.fhir.fhirpath.values import Node
from salus.standards.fhir.patch.identity import check_depth, check_identity, depth_of, without_empty
from salus.standards.fhir.patch.operation import Json, Operation, Part, Value, read_operations

OPERATIONS_MAX = 1_000
PATH_LENGTH_MAX = 2_000
STEPS_MAX = 60_000
"""What the paths of a patch may cost together; about 0.3 s at most."""
_PATH_CHARACTERS_A_STEP = 4


def fhirpath_patch(resource: dict[str, Json], parameters: dict[str, Json]) -> dict[str, Json]:
    """Return the patched resource; all operations apply, or none. The resource given stays as it is.

    Raises:
        MalformedContent: the Parameters are no FHIRPath Patch.
        InvalidExpression, TooCostly: a path cannot be evaluated.
        InvalidResource: an operation does not fit the resource, or changes its type or id.
    """
    changed: dict[str, Json] = deepcopy(resource)
    operations = read_operations(parameters, OPERATIONS_MAX)
    budget = Budget(STEPS_MAX)
    for operation in operations:
        nodes = _select(changed, operation, budget)
        if operation.value is not None and nodes:
            check_depth(_depth_of_node(nodes[0]) + _depth_of_value(operation.value))
        match operation.kind:
            case "add":
                _add(_only(nodes, operation), operation)
            case "insert":
                _insert(nodes, operation)
            case "delete":
                _delete(nodes, operation)
            case "replace":
                _replace(_only(nodes, operation), operation)
            case "move":
                _move(nodes, operation)
    pruned: dict[str, Json] = without_empty(changed)
    return check_identity(resource, pruned)


def _refuse(operation: Operation, message: str) -> NoReturn:
    raise InvalidResource(f"Operation {operation.number} of the patch ({operation.kind}): {message}")


def _select(resource: dict[str, Json], operation: Operation, budget: Budget) -> list[Node]:
    """Return the elements that the path selects."""
    if len(operation.path) > PATH_LENGTH_MAX:
        raise InvalidExpression(f"The path is longer than {PATH_LENGTH_MAX} characters; shorten it")
    budget.spend(len(operation.path) // _PATH_CHARACTERS_A_STEP)
    root_type = str(resource.get("resourceType", ""))
    expression = compile_once(operation.path, root_type, strict=True)
    found = expression.collection(resource, Environment(budget=budget))
    nodes = [item for item in found if isinstance(item, Node)]
    if len(nodes) != len(found):
        _refuse(operation, "the path selects values that are no elements of the resource")
    return nodes


def _depth_of_node(node: Node) -> int:
    """Return how many objects and arrays a node lies in."""
    depth, above = 0, node.parent
    while above is not None:
        depth, above = depth + 1, above.parent
    return depth


def _depth_of_value(value: Value) -> int:
    """Return how deep a value is nested."""
    inner = (1 + _depth_of_value(part.value) for part in value.parts)
    return max(depth_of(value.json), depth_of(value.extra), *inner)


def _only(nodes: list[Node], operation: Operation) -> Node:
    if len(nodes) != 1:
        _refuse(operation, f"the path must select one element, it selects {len(nodes)}")
    return nodes[0]


def _holder(node: Node, operation: Operation) -> dict[str, Any]:
    """Return the JSON object that holds a node."""
    if node.parent is None or not isinstance(node.parent.value, dict):
        _refuse(operation, "the path selects the whole resource; name an element")
    holder: dict[str, Any] = node.parent.value
    return holder


def _step_for(type_name: str, name: str, value: Value, operation: Operation) -> Step:
    """Return the JSON key for a value under an element name; of a choice, the one of the value's type."""
    steps = steps_of(type_name).get(name, ())
    if not steps:
        steps = tuple(
            step for choices in steps_of(type_name).values() for step in choices if step.key == name
        )
    if not steps:
        _refuse(operation, f"{type_name} has no element {name[:40]!r}")
    if len(steps) == 1:
        return steps[0]
    for step in steps:
        if step.type == value.type:
            return step
    _refuse(operation, f"{name[:40]!r} cannot be a {value.type or 'value given by parts'}")


def _built(value: Value, step: Step, operation: Operation) -> tuple[Json, dict[str, Json] | None]:
    """Return the JSON value and the `_key` sibling for an element."""
    if not value.type:
        if step.under:
            _refuse(operation, f"{step.key!r} is a {step.type}; give its value, not parts")
        return _composed(value.parts, step.type, operation), None
    if is_primitive(value.type) != bool(step.under):
        _refuse(operation, f"{step.key!r} is a {step.type}, not a {value.type}")
    if not step.under and not (is_a(value.type, step.type) or is_a(step.type, value.type)):
        _refuse(operation, f"{step.key!r} is a {step.type}, not a {value.type}")
    return deepcopy(value.json), deepcopy(value.extra)


def _composed(parts: tuple[Part, ...], type_name: str, operation: Operation) -> dict[str, Json]:
    """Return an element built from its parts."""
    found: dict[str, Json] = {}
    for part in parts:
        step = _step_for(type_name, part.name, part.value, operation)
        _append(found, step, *_built(part.value, step, operation), operation)
    return found


def _append(
    holder: dict[str, Json], step: Step, value: Json, extra: dict[str, Json] | None, operation: Operation
) -> None:
    """Put a value at the end of a list, or where nothing is yet."""
    if step.many:
        _insert_at(holder, step, len(_column(holder, step)[0]), value, extra)
    elif step.key in holder or (step.under and step.under in holder):
        _refuse(operation, f"there is a {step.key!r} already; replace it")
    else:
        _set(holder, step, value, extra)


def _set(holder: dict[str, Json], step: Step, value: Json, extra: dict[str, Json] | None) -> None:
    for key, part in ((step.key, value), (step.under, extra)):
        if key:
            holder.pop(key, None)
        if key and part is not None:
            holder[key] = part


def _column(holder: dict[str, Json], step: Step) -> tuple[list[Json], list[Json]]:
    """Return the values and the siblings of a list, both of one length."""
    value, extra = holder.get(step.key), holder.get(step.under) if step.under else None
    values = list(value) if isinstance(value, list) else []
    extras = list(extra) if isinstance(extra, list) else []
    count = max(len(values), len(extras))
    return values + [None] * (count - len(values)), extras + [None] * (count - len(extras))


def _store(holder: dict[str, Json], step: Step, values: list[Json], extras: list[Json]) -> None:
    """Put a list back, leaving out what is empty."""
    for key, column in ((step.key, values), (step.under, extras)):
        if key and any(one is not None for one in column):
            holder[key] = column
        elif key:
            holder.pop(key, None)


def _insert_at(holder: dict[str, Json], step: Step, index: int, value: Json, extra: Json) -> None:
    values, extras = _column(holder, step)
    values.insert(index, value)
    extras.insert(index, extra)
    _store(holder, step, values, extras)


def _add(node: Node, operation: Operation) -> None:
    assert operation.value is not None
    if not isinstance(node.value, dict):
        _add_to_primitive(node, operation)
        return
    step = _step_for(node.type, operation.name, operation.value, operation)
    for other in steps_of(node.type).get(operation.name, ()):
        if other.key != step.key and other.key in node.value:
            _refuse(operation, f"there is a {other.key!r} already; delete it first")
    _append(node.value, step, *_built(operation.value, step, operation), operation)


def _add_to_primitive(node: Node, operation: Operation) -> None:
    """Add an extension or id to a primitive: they live beside its value."""
    assert operation.value is not None
    holder = _holder(node, operation)
    extra: dict[str, Json] = node.extra if node.extra is not None else {}
    step = _step_for("Element", operation.name, operation.value, operation)
    _append(extra, step, *_built(operation.value, step, operation), operation)
    own = _own_step(node, operation)
    if node.index is None:
        holder[own.under] = extra
        return
    values, extras = _column(holder, own)
    extras[node.index] = extra
    _store(holder, own, values, extras)


def _own_step(node: Node, operation: Operation) -> Step:
    """Return the step that led to a node."""
    assert node.parent is not None
    for steps in steps_of(node.parent.type).values():
        for step in steps:
            if step.key == node.key:
                return step
    _refuse(operation, "the path selects what cannot be patched")


def _list_of(nodes: list[Node], operation: Operation) -> tuple[dict[str, Any], Step]:
    """Return the list that the nodes are all the items of: its holder and step."""
    if not nodes:
        _refuse(operation, "the path selects nothing; use add for the first item of a list")
    first = nodes[0]
    holder, step = _holder(first, operation), _own_step(first, operation)
    if not step.many or any(node.key != first.key or node.parent is None for node in nodes):
        _refuse(operation, "the path must select a list")
    if any(node.parent is None or node.parent.value is not holder for node in nodes):
        _refuse(operation, "the path selects items of more than one list")
    return holder, step


def _insert(nodes: list[Node], operation: Operation) -> None:
    assert operation.value is not None
    assert operation.index is not None
    holder, step = _list_of(nodes, operation)
    if operation.index > len(_column(holder, step)[0]):
        _refuse(operation, "the index lies behind the end of the list")
    _insert_at(holder, step, operation.index, *_built(operation.value, step, operation))


def _delete(nodes: list[Node], operation: Operation) -> None:
    if not nodes:
        return
    node = _only(nodes, operation)
    holder, step = _holder(node, operation), _own_step(node, operation)
    if node.index is None:
        _set(holder, step, None, None)
        return
    values, extras = _column(holder, step)
    del values[node.index], extras[node.index]
    _store(holder, step, values, extras)


def _replace(node: Node, operation: Operation) -> None:
    assert operation.value is not None
    holder, own = _holder(node, operation), _own_step(node, operation)
    assert node.parent is not None
    step = own
    for steps in steps_of(node.parent.type).values():
        if own in steps and len(steps) > 1 and operation.value.type:
            step = next((one for one in steps if one.type == operation.value.type), own)
    value, extra = _built(operation.value, step, operation)
    if node.index is None:
        _set(holder, own, None, None)
        _set(holder, step, value, extra)
        return
    values, extras = _column(holder, step)
    values[node.index], extras[node.index] = value, extra
    _store(holder, step, values, extras)


def _move(nodes: list[Node], operation: Operation) -> None:
    assert operation.source is not None
    assert operation.destination is not None
    holder, step = _list_of(nodes, operation)
    values, extras = _column(holder, step)
    if max(operation.source, operation.destination) >= len(values):
        _refuse(operation, "source or destination lies behind the end of the list")
    for column in (values, extras):
        column.insert(operation.destination, column.pop(operation.source))
    _store(holder, step, values, extras)
