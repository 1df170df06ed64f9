"""A profile's elements as a tree: each step of an element's id is one node, a slice ("name:slice") one of
its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from salus.standards.fhir.packages.definitions import Json

__all__ = ["Json", "Node", "grow", "ids_of", "rows"]


class Node:
    """An element, with its facts as they stand and the elements below it in their order."""

    __slots__ = ("below", "facts")

    def __init__(self, facts: Json, below: dict[str, Node] | None = None) -> None:
        self.facts = facts
        self.below: dict[str, Node] = {} if below is None else below

    def copy(self) -> Node:
        """Return a tree that can be changed without changing this one; facts are replaced, never changed."""
        return Node(self.facts, {step: node.copy() for step, node in self.below.items()})

    def place(self, step: str, node: Node) -> None:
        """Put a slice after its element and the slices of it that are there, any other element last."""
        name = step.partition(":")[0]
        alike = [one for one in self.below if one.partition(":")[0] == name]
        if not alike:
            self.below[step] = node
            return
        steps = list(self.below)
        at = steps.index(alike[-1]) + 1
        rest = {one: self.below.pop(one) for one in steps[at:]}
        self.below[step] = node
        self.below.update(rest)


def ids_of(elements: Iterable[Json]) -> Iterator[tuple[str, Json]]:
    """Yield each element with its id, worked out from path and slice name where there is none."""
    current: dict[str, str] = {}
    for element in elements:
        path = str(element.get("path", ""))
        identity = element.get("id")
        if not isinstance(identity, str) or identity.count(".") != path.count("."):
            above, _, name = path.rpartition(".")
            prefix = current.get(above, above)
            identity = f"{prefix}.{name}" if prefix else name
            if "sliceName" in element and prefix:
                identity += f":{element['sliceName']}"
        current = {one: kept for one, kept in current.items() if not one.startswith(path + ".")}
        current[path] = identity
        yield identity, element


def grow(elements: Iterable[Json]) -> Node:
    """Return the tree of a snapshot."""
    root: Node | None = None
    for identity, element in ids_of(elements):
        steps = identity.split(".")[1:]
        if root is None:
            root = Node(element)
            continue
        node = root
        for step in steps[:-1]:
            node = node.below.setdefault(step, Node({}))
        node.below[steps[-1]] = Node(element)
    return root or Node({})


def rows(root: Node, type_name: str) -> list[Json]:
    """Return the tree as the elements of a snapshot."""
    return list(_rows(root, type_name, type_name))


def _rows(node: Node, identity: str, path: str) -> Iterator[Json]:
    facts: dict[str, Any] = {"id": identity, "path": path}
    facts.update((key, value) for key, value in node.facts.items() if key not in facts and key != "sliceName")
    name = identity.rpartition(".")[2].partition(":")[2]
    if name:
        facts["sliceName"] = name
    yield facts
    for step, below in node.below.items():
        yield from _rows(below, f"{identity}.{step}", f"{path}.{step.partition(':')[0]}")
