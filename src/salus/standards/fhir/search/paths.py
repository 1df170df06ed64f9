"""Search expressions as typed JSON paths.

Nearly every SearchParameter.expression of R4 is a union of plain paths: names, `as`, `ofType`, an index,
`extension(url)` and three kinds of `where`. Such a path is resolved against the model once, so that
extraction knows the JSON keys to follow and the type it finds there. What does not fit (`typed_paths`
returns None) is left to the general FHIRPath engine. `tests/property` holds both to the same answer.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from salus.standards.fhir.model import Property, ancestors, properties

_TOKEN = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|(%?[A-Za-z_]\w*)|(\d+)|([().|=\[\]]))")


class Filter(msgspec.Struct, frozen=True):
    """A condition on an object: `key` has `text`, or (key "extension") an extension with that url exists."""

    key: str
    text: str

    def admits(self, value: Any) -> bool:  # Any: a JSON object as parsed
        """Return whether the object satisfies the condition."""
        if not isinstance(value, dict):
            return False
        if self.key == "extension":
            return any(
                isinstance(item, dict) and item.get("url") == self.text for item in value.get("extension", ())
            )
        return bool(value.get(self.key) == self.text)


class Step(msgspec.Struct, frozen=True):
    """One JSON key to follow, into each item of an array or only the one at `index`."""

    key: str
    filter: Filter | None = None
    index: int | None = None


class TypedPath(msgspec.Struct, frozen=True):
    """Where a search parameter finds values of one type.

    Args:
        slot: name of the place, the same for every parameter that reads it ("Observation.valueQuantity").
        steps: keys from the resource (or from a composite's element) to the value.
        type: type of the value ("Quantity", "code").
        target: for `where(resolve() is X)`: X; "" for any.
        value_set: canonical of the element's binding, "" for none.
        targets: for a reference: type names it may point to, () = any.
        single: whether at most one value can be there.
    """

    slot: str
    steps: tuple[Step, ...]
    type: str
    target: str = ""
    value_set: str = ""
    targets: tuple[str, ...] = ()
    single: bool = True


class _Branch(msgspec.Struct, frozen=True):
    """A path on its way, and the element it has reached."""

    steps: tuple[Step, ...]
    type: str
    property: Property | None = None
    target: str = ""
    single: bool = True


def _tokens(expression: str) -> list[str] | None:
    found, at = [], 0
    text = expression.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        found.append(match.group().strip())
        at = match.end()
    return found


def union_terms(expression: str) -> list[str]:
    """Split an expression at the `|` outside of parentheses and strings."""
    terms, depth, quoted, current = [], 0, False, ""
    for character in expression:
        if character == "'":
            quoted = not quoted
        depth += (not quoted) * ((character == "(") - (character == ")"))
        if character == "|" and not depth and not quoted:
            terms.append(current.strip())
            current = ""
        else:
            current += character
    return [*terms, current.strip()]


def typed_paths(root: str, expression: str) -> tuple[TypedPath, ...] | None:
    """Resolve an expression against a type ("Observation", "Observation.component").

    Returns:
        One path per term and possible type of its value; () when the expression speaks of other types only;
        None when it is more than a union of plain paths.
    """
    found: list[TypedPath] = []
    for term in union_terms(expression):
        tokens = _tokens(term)
        branches = None if tokens is None else _term(root, tokens)
        if branches is None:
            return None
        found.extend(_finished(root, branch) for branch in branches)
    return tuple(dict.fromkeys(found))


def _finished(root: str, branch: _Branch) -> TypedPath:
    names = [root]
    for step in branch.steps:
        condition = f"[{step.filter.key}={step.filter.text}]" if step.filter else ""
        position = f"[{step.index}]" if step.index is not None else ""
        names.append(step.key + condition + position)
    element = branch.property
    binding = element.element.binding if element else None
    return TypedPath(
        slot=".".join(names),
        steps=branch.steps,
        type=branch.type,
        target=branch.target,
        value_set=binding.value_set if binding else "",
        targets=element.type.target_profiles if element else (),
        single=branch.single,
    )


def _term(root: str, tokens: list[str]) -> list[_Branch] | None:
    """Follow one term; None when a construct is not plain."""
    branches = [_Branch((), root)]
    rest = list(tokens)
    if rest[:1] == ["("]:
        close = rest.index(")") if ")" in rest else 0
        inner = rest[1:close]
        if len(inner) < 3 or inner[-2] != "as":
            return None
        rest = [*inner[:-2], ".", "as", "(", inner[-1], ")", *rest[close + 1 :]]
    if len(rest) > 2 and rest[-2] == "as":
        rest = [*rest[:-2], ".", "as", "(", rest[-1], ")"]
    first = True
    while rest:
        if not first and rest[0] == ".":
            rest.pop(0)
        elif not first and rest[0] != "[":
            return None
        step = _step(root, branches, rest, first=first)
        if step is None:
            return None
        branches, rest = step
        first = False
    return branches


def _step(
    root: str, branches: list[_Branch], rest: list[str], *, first: bool
) -> tuple[list[_Branch], list[str]] | None:
    match rest:
        case ["[", number, "]", *after] if number.isdigit():
            return [_at(branch, int(number)) for branch in branches], after
        case ["as" | "ofType", "(", name, ")", *after]:
            return [branch for branch in branches if branch.type.lower() == name.lower()], after
        case ["where", "(", "resolve", "(", ")", "is", name, ")", *after]:
            return [msgspec.structs.replace(branch, target=name) for branch in branches], after
        case ["where", "(", "hasExtension", "(", url, ")", ")", *after] if url.startswith("'"):
            return [_filtered(branch, Filter("extension", url[1:-1])) for branch in branches], after
        case ["where", "(", key, "=", text, ")", *after] if text.startswith("'"):
            return [_filtered(branch, Filter(key, text[1:-1])) for branch in branches], after
        case ["extension", "(", url, ")", *after] if url.startswith("'"):
            inside = _children(branches, "extension")
            marked = [_filtered(branch, Filter("url", url[1:-1])) for branch in inside]
            return (marked, after) if after[:2] == [".", "value"] else (_children(marked, "value"), after)
        case [name, *after] if name[0].isalpha() and after[:1] != ["("]:
            if first and name[0].isupper():
                return ([_Branch((), root)] if name in ancestors(root) else []), after
            return _children(branches, name), after
        case _:
            return None


def _at(branch: _Branch, index: int) -> _Branch:
    *before, last = branch.steps
    return msgspec.structs.replace(branch, steps=(*before, msgspec.structs.replace(last, index=index)))


def _filtered(branch: _Branch, condition: Filter) -> _Branch:
    *before, last = branch.steps
    return msgspec.structs.replace(branch, steps=(*before, msgspec.structs.replace(last, filter=condition)))


def _children(branches: list[_Branch], name: str) -> list[_Branch]:
    found = []
    for branch in branches:
        for key, prop in properties(branch.type).items():
            if prop.element.name == name:
                single = branch.single and prop.element.max == 1
                found.append(_Branch((*branch.steps, Step(key)), prop.type.code, prop, branch.target, single))
    return found


def values_at(path: TypedPath, value: Any) -> list[Any]:  # Any: JSON as parsed
    """Return what stands at the path, arrays flattened, in document order."""
    current = [value]
    for step in path.steps:
        following: list[Any] = []
        for item in current:
            inside = item.get(step.key) if isinstance(item, dict) else None
            if inside is None:
                continue
            items = inside if isinstance(inside, list) else [inside]
            if step.index is not None:
                items = items[step.index : step.index + 1]
            following.extend(entry for entry in items if step.filter is None or step.filter.admits(entry))
        current = following
    return [item for item in current if item is not None]
