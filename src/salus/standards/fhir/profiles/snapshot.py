"""Snapshots out of differentials (R4, profiling.html#snapshot): what a profile says, laid over what its
base says.

An element below a data type is laid open ("Patient.name.given") only where a differential speaks of it, as
the
guides' own snapshots do. A slice begins as its element does, with no minimum of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from salus.core.errors import InvalidResource, NotFound
from salus.standards.fhir.packages.definitions import Library
from salus.standards.fhir.profiles.base_types import CORE, base_tree
from salus.standards.fhir.profiles.tree import Json, Node, grow, ids_of, rows

DEPTH_MAX = 40
"""Longest chain of profiles that build on each other."""

_PLAIN = frozenset({"id", "path", "sliceName", "constraint", "binding", "type", "base"})
_BY_TYPE = {"discriminator": [{"type": "type", "path": "$this"}], "ordered": False, "rules": "closed"}
_BY_URL = {"discriminator": [{"type": "value", "path": "url"}], "ordered": False, "rules": "open"}


class Snapshots:
    """The trees of a library's structure definitions, each made once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._trees: dict[str, Node] = {}
        self._open: list[str] = []

    def tree(self, canonical: str) -> Node:
        """Return the tree of a profile or type, from its snapshot or, where there is none, its differential.

        Raises:
            NotFound: it, or what it builds on, is not at hand.
            InvalidResource: it builds on itself.
        """
        known = self._trees.get(canonical)
        if known is not None:
            return known
        definition = self._library.find("StructureDefinition", canonical)
        if definition is None:
            found = base_tree(canonical.removeprefix(CORE).partition("|")[0])
            if found is None:
                raise NotFound(f"There is no definition of {canonical}; install the package that holds it.")
        elif canonical in self._open or len(self._open) >= DEPTH_MAX:
            raise InvalidResource(f"{canonical} builds on itself; correct its baseDefinition.")
        else:
            self._open.append(canonical)
            try:
                content = definition.content()
                found = grow(content["snapshot"]) if "snapshot" in content else self.generate(content)
            finally:
                self._open.pop()
        self._trees[canonical] = found
        return found

    def generate(self, definition: Json) -> Node:
        """Return the tree of a structure definition by its differential alone; errors as `tree`."""
        base = definition.get("baseDefinition")
        root = self.tree(base).copy() if isinstance(base, str) else Node({"min": 0, "max": "*"})
        if definition.get("derivation") == "specialization":
            root.facts = {key: value for key, value in root.facts.items() if key != "type"}
        merge = _Merge(self, root)
        for identity, element in ids_of(definition.get("differential", ())):
            merge.lay(identity.split(".")[1:], element)
        return root

    def snapshot(self, definition: Json) -> list[Json]:
        """Return the snapshot's elements of a structure definition; errors as `tree`."""
        return rows(self.generate(definition), str(definition.get("type", "")).rpartition("/")[2])


class _Merge:
    """Lays the elements of one differential over a tree."""

    def __init__(self, snapshots: Snapshots, root: Node) -> None:
        self._tree: Callable[[str], Node] = snapshots.tree
        self._root = root
        self._types: dict[int, list[Json]] = {}
        self._spelled: dict[int, set[str]] = {}

    def lay(self, steps: list[str], element: Json) -> None:
        node = self._root
        for step in steps:
            node = self._step(node, step)
        if "type" in element and "contentReference" in node.facts:
            # Named with its type, it is a copy of what it shared until now.
            self._lay_open(node)
        node.facts = _merged(node.facts, element)

    def _step(self, node: Node, step: str) -> Node:
        found = node.below.get(step)
        if found is None:
            self._lay_open(node)
            found = node.below.get(step) or self._choice(node, step) or self._new(node, step)
        return found

    def _new(self, node: Node, step: str) -> Node:
        """Return a new slice, or a new element, which only a specialization brings."""
        name, _, cut = step.partition(":")
        if not cut:
            known = self._of_type(node).get(step)
            made = known.copy() if known is not None else Node({})
        else:
            outer = f"{name}:{cut.rpartition('/')[0]}"
            sliced = node.below.get(outer) or self._step(node, name)
            if name in ("extension", "modifierExtension") and "slicing" not in sliced.facts:
                sliced.facts = sliced.facts | {"slicing": _BY_URL}
            made = sliced.copy()
            made.facts = {key: value for key, value in made.facts.items() if key != "slicing"} | {"min": 0}
            code = _type_of_slice(name, cut, made.facts) if name.endswith("[x]") else None
            if code is not None:
                made.facts["type"] = [row for row in made.facts["type"] if row["code"] == code]
        node.place(step, made)
        return made

    def _choice(self, node: Node, step: str) -> Node | None:
        """Return the node of a choice spelled with its type ("valueQuantity"); other types are then
        excluded.
        """
        for name, sliced in list(node.below.items()):
            if not name.endswith("[x]") or not step.startswith(name[:-3]) or ":" in step:
                continue
            types = self._types.setdefault(id(sliced), sliced.facts.get("type", []))
            code = _type_of_slice(name, step, {"type": types})
            if code is None:
                continue
            if [row["code"] for row in types] == [code]:
                return sliced
            spelled = self._spelled.setdefault(id(sliced), set())
            spelled.add(code)
            narrowed = [row for row in types if row["code"] in spelled]
            sliced.facts = {"slicing": _BY_TYPE} | sliced.facts | {"type": narrowed}
            return self._step(node, f"{name}:{step}")
        return None

    def _lay_open(self, node: Node) -> None:
        """Give a node the elements of its type, if it has none yet."""
        if not node.below:
            node.below = {step: below.copy() for step, below in self._of_type(node).items()}

    def _of_type(self, node: Node) -> dict[str, Node]:
        """Return the elements of a node's type, or of the element whose content it shares."""
        reference = node.facts.get("contentReference")
        if isinstance(reference, str):
            origin, _, path = reference.rpartition("#")
            source = self._tree(origin) if origin else self._tree(CORE + path.split(".")[0])
            for step in path.split(".")[1:]:
                source = source.below[step]
            return source.below
        types = node.facts.get("type", ())
        if len(types) != 1:
            return self._tree(CORE + "Element").below if types else {}
        profiles = types[0].get("profile", ())
        name = types[0]["code"]
        return self._tree(profiles[0] if len(profiles) == 1 else name if ":" in name else CORE + name).below


def _type_of_slice(name: str, cut: str, facts: Json) -> str | None:
    """Return the type that a slice of a choice is named after."""
    suffix = cut.removeprefix(name[:-3])
    codes = [str(row["code"]) for row in facts.get("type", ())]
    return next((code for code in codes if code[0].upper() + code[1:] == suffix), None)


def _merged(facts: Json, element: Json) -> Json:
    """Return what holds when a differential's element is laid over the facts of its base."""
    found = dict(facts)
    for key in element:
        if key.startswith(("fixed", "pattern")):
            found = {one: kept for one, kept in found.items() if not one.startswith(("fixed", "pattern"))}
    found.update((key, value) for key, value in element.items() if key not in _PLAIN)
    if "type" in element:
        found["type"] = element["type"]
        found.pop("contentReference", None)
    if "binding" in element:
        found["binding"] = found.get("binding", {}) | element["binding"]
    if "constraint" in element:
        own = {row["key"] for row in element["constraint"]}
        kept = [row for row in found.get("constraint", ()) if row["key"] not in own]
        found["constraint"] = [*kept, *element["constraint"]]
    return found
