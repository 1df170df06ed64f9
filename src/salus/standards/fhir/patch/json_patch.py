"""JSON Patch (RFC 6902) with JSON Pointer (RFC 6901)."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any, NoReturn

from salus.core.errors import InvalidResource, MalformedContent, TooLarge
from salus.standards.fhir.patch.identity import check_depth, check_identity, depth_of, without_empty

OPERATIONS_MAX = 1_000
VALUES_MAX = 300_000
DEPTH_MAX = 64

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_BAD_ESCAPE = re.compile(r"~(?![01])")

Json = Any  # any JSON value
Operation = dict[str, Json]


def json_patch(resource: dict[str, Json], operations: list[Operation]) -> dict[str, Json]:
    """Return the patched resource; all operations apply, or none. The resource given stays as it is.

    Raises:
        MalformedContent: the operations are no JSON Patch.
        InvalidResource: an operation does not fit the resource, or changes its type or id.
        TooLarge: too many operations, or copies that grow without measure.
    """
    if not isinstance(operations, list):
        raise MalformedContent("A JSON Patch is an array of operations (RFC 6902)")
    if len(operations) > OPERATIONS_MAX:
        raise TooLarge(f"A patch has at most {OPERATIONS_MAX} operations; send several patches")
    document: Json = deepcopy(resource)
    grown = 0
    for number, operation in enumerate(operations):
        name = _checked(operation, number)
        if name in ("copy", "move"):
            source = _read(document, _pointer(operation, "from", number), number)
            grown += _size(source)
            if grown > VALUES_MAX:
                raise TooLarge("The patch copies or moves too much; send the values instead")
            check_depth(depth_of(source) + len(_pointer(operation, "path", number)))
        document = _OPERATIONS[name](document, operation, number)
    changed = check_identity(resource, document)
    if "resourceType" not in changed:
        return changed
    pruned: dict[str, Json] = without_empty(changed)
    return pruned


def _refuse(number: int, message: str) -> NoReturn:
    raise InvalidResource(f"Operation {number + 1} of the patch: {message}")


def _malformed(number: int, message: str) -> NoReturn:
    raise MalformedContent(f"Operation {number + 1} of the patch: {message}")


def _checked(operation: Json, number: int) -> str:
    """Return the operation's name, when it has what it needs."""
    if not isinstance(operation, dict):
        _malformed(number, "an operation is an object")
    name = operation.get("op")
    if not isinstance(name, str) or name not in _OPERATIONS:
        _malformed(number, '"op" must be add, remove, replace, move, copy or test')
    if name in ("add", "replace", "test") and "value" not in operation:
        _malformed(number, f'{name} needs a "value"')
    return name


def _pointer(operation: Operation, member: str, number: int) -> list[str]:
    """Return the steps of a JSON Pointer."""
    text = operation.get(member)
    if not isinstance(text, str) or (text and text[0] != "/") or _BAD_ESCAPE.search(text):
        _malformed(number, f'"{member}" must be a JSON Pointer such as "/name/0/family"')
    steps = text.split("/")[1:]
    if len(steps) > DEPTH_MAX:
        _malformed(number, f'"{member}" has more than {DEPTH_MAX} steps')
    return [step.replace("~1", "/").replace("~0", "~") for step in steps]


def _index(container: list[Json], step: str, number: int, *, end: bool) -> int:
    """Return an array index; `end` allows the place after the last item."""
    if step == "-" and end:
        return len(container)
    if not _INDEX.fullmatch(step):
        _refuse(number, "an array is addressed by a number without leading zeros")
    index = int(step)
    if index >= len(container) + end:
        _refuse(number, "the array has no such index")
    return index


def _step(container: Json, step: str, number: int) -> Json:
    if isinstance(container, dict) and step in container:
        return container[step]
    if isinstance(container, list):
        return container[_index(container, step, number, end=False)]
    _refuse(number, "the path does not exist")


def _read(document: Json, steps: list[str], number: int) -> Json:
    for step in steps:
        document = _step(document, step, number)
    return document


def _insert(document: Json, steps: list[str], value: Json, number: int) -> Json:
    if not steps:
        return value
    parent, last = _read(document, steps[:-1], number), steps[-1]
    if isinstance(parent, list):
        parent.insert(_index(parent, last, number, end=True), value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        _refuse(number, "the path leads into a plain value")
    return document


def _take(document: Json, steps: list[str], number: int) -> Json:
    """Remove and return what the steps lead to."""
    if not steps:
        _refuse(number, "the whole resource cannot be removed; delete it instead")
    parent, last = _read(document, steps[:-1], number), steps[-1]
    taken = _step(parent, last, number)
    if isinstance(parent, list):
        del parent[_index(parent, last, number, end=False)]
    else:
        del parent[last]
    return taken


def _add(document: Json, operation: Operation, number: int) -> Json:
    return _insert(document, _pointer(operation, "path", number), deepcopy(operation["value"]), number)


def _remove(document: Json, operation: Operation, number: int) -> Json:
    _take(document, _pointer(operation, "path", number), number)
    return document


def _replace(document: Json, operation: Operation, number: int) -> Json:
    steps, value = _pointer(operation, "path", number), deepcopy(operation["value"])
    if not steps:
        return value
    parent, last = _read(document, steps[:-1], number), steps[-1]
    _step(parent, last, number)
    if isinstance(parent, list):
        parent[_index(parent, last, number, end=False)] = value
    else:
        parent[last] = value
    return document


def _move(document: Json, operation: Operation, number: int) -> Json:
    source, target = _pointer(operation, "from", number), _pointer(operation, "path", number)
    if len(target) > len(source) and target[: len(source)] == source:
        _refuse(number, "a value cannot be moved into itself")
    if source == target:
        _read(document, source, number)
        return document
    return _insert(document, target, _take(document, source, number), number)


def _copy(document: Json, operation: Operation, number: int) -> Json:
    value = deepcopy(_read(document, _pointer(operation, "from", number), number))
    return _insert(document, _pointer(operation, "path", number), value, number)


def _test(document: Json, operation: Operation, number: int) -> Json:
    """Compare; the refusal does not tell what the value is, nor whether the place is empty."""
    try:
        same = _is_same(_read(document, _pointer(operation, "path", number), number), operation["value"])
    except InvalidResource:
        same = False
    if not same:
        _refuse(number, "the test failed; read the resource again and adjust the patch")
    return document


_OPERATIONS: dict[str, Callable[[Json, Operation, int], Json]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _is_same(left: Json, right: Json) -> bool:
    """Compare JSON as RFC 6902, section 4.6 does: numbers by value, true and 1 apart."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_is_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_same, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    numbers = int | float | Decimal
    if isinstance(left, numbers) and isinstance(right, numbers):
        return left == right
    return type(left) is type(right) and bool(left == right)


def _size(value: Json) -> int:
    """Return how many values a value holds, itself included."""
    count, level = 0, [value]
    while level:
        count += len(level)
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
    return count
