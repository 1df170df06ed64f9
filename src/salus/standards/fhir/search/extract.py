"""From a resource to its search values: one compiled walk per resource type.

All parameters of a type share one tree of JSON keys, so that a resource is walked once however many
parameters there are, and a place that several parameters read is emitted once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from salus.standards.fhir.model import resource_types
from salus.standards.fhir.search.emitters import Collected, Emitter, emitter_for
from salus.standards.fhir.search.general import typed_values
from salus.standards.fhir.search.hashing import SYSTEM_CODE, Hasher, compile_hasher, inside
from salus.standards.fhir.search.index_row import IndexRow
from salus.standards.fhir.search.links import links_of
from salus.standards.fhir.search.parameters import (
    Registry,
    SearchParameter,
    clinical_date,
    parameters_of,
)
from salus.standards.fhir.search.paths import Step, TypedPath, values_at
from salus.standards.fhir.search.patients import (
    binaries_named,
    identifiers_named,
    patients_about,
    patients_named,
    subjects_of,
)
from salus.standards.fhir.search.references import contained, links_in
from salus.standards.fhir.search.values import date_values, moment_at

Indexer = Callable[[dict[str, Any]], IndexRow]  # Any: a resource as parsed
_NOT_INDEXED = ("_id", "_lastUpdated")  # columns of their own


def compile_indexer(type_name: str, key: bytes, registry: Registry | None = None) -> Indexer:
    """Compile the function that reads the search values of a type's resources.

    Args:
        type_name: a resource type of R4.
        key: the node's secret for hashes, 16 to 64 bytes.
        registry: the node's parameters; None stands for those of R4.

    Returns:
        A function that expects a resource of that type. Values that break their type's rules are passed over.
    """
    hash_of = compile_hasher(key)
    walk = _compile_values(type_name, hash_of, registry)
    walk_inside = _compile_inside(hash_of, registry)
    clinical = clinical_date(type_name, registry)
    identity_slot = parameters_of("Patient")["identifier"].paths[0].slot

    def index(resource: dict[str, Any]) -> IndexRow:
        out = Collected(resource)
        walk(resource, out)
        if out.fragments:
            walk_inside(out)
        literals, addresses, texts = links_in(resource)
        links, links_stated = links_of(type_name, resource, texts)
        references = list(dict.fromkeys(literals))
        subjects = list(subjects_of(resource, type_name))
        return IndexRow(
            compartments=patients_about(resource, type_name, references, subjects),
            date=None if clinical is None else clinical_start(clinical, resource),
            tokens=sorted(set(out.tokens)),
            ranges=out.ranges,
            references=references,
            named=patients_named(resource, type_name, references),
            binaries=binaries_named((*references, *addresses)),
            identities=tuple(
                hash_of(SYSTEM_CODE, identity_slot, f"{system}|{value}")
                for system, value in identifiers_named(resource, type_name, subjects)
            ),
            links=links,
            links_stated=links_stated,
        )

    return index


def _compile_values(type_name: str, hash_of: Hasher, registry: Registry | None) -> Emitter:
    """Compile the emitter of all values of a type's resource."""
    known = parameters_of(type_name, registry)
    used = [
        parameter for code, parameter in known.items() if code not in _NOT_INDEXED and not parameter.refused
    ]
    general = tuple(_general_emitter(parameter, hash_of) for parameter in used if parameter.general)
    walk = _compile_walk(used, hash_of)
    return _each((walk, *general)) if general else walk


def _compile_inside(hash_of: Hasher, registry: Registry | None) -> Callable[[Collected], None]:
    """Return a function that emits the values of contained resources that a search parameter leads to.

    A chain is true of a contained resource as well (http://hl7.org/fhir/R4/search.html#contained). Most
    resources contain none: the emitters of a type are compiled when it is first met.
    """
    hash_inside = inside(hash_of)
    emitters: dict[str, Emitter] = {}

    def walk_inside(out: Collected) -> None:
        seen: set[str] = set()
        for fragment in out.fragments:  # grows while contained resources refer to others
            held = contained(out.root, fragment)
            kind = held.get("resourceType")
            if fragment in seen or not isinstance(kind, str) or kind not in resource_types():
                continue
            seen.add(fragment)
            if kind not in emitters:
                emitters[kind] = _compile_values(kind, hash_inside, registry)
            emitters[kind](held, out)

    return walk_inside


def clinical_start(clinical: SearchParameter, resource: dict[str, Any]) -> datetime | None:
    """Return when a resource's clinical date begins (UTC), None for none: the order by it, either way.

    Args:
        clinical: the `clinical_date` of its type.
        resource: as parsed.
    """
    starts = []
    for path in clinical.paths:
        if path.steps[0].key not in resource:
            continue
        for value in values_at(path, resource):
            interval = date_values(path.type, value)
            if interval is not None:
                starts.append(interval[0] if math.isfinite(interval[0]) else interval[1])
    return moment_at(min(starts)) if starts else None


class _Node:
    """A JSON key's place in the tree: what is emitted there and which keys follow."""

    __slots__ = ("children", "emitters")

    def __init__(self) -> None:
        self.emitters: dict[object, Emitter] = {}
        self.children: dict[Step, _Node] = {}


def _compile_walk(parameters: Sequence[SearchParameter], hash_of: Hasher) -> Emitter:
    root = _Node()
    for parameter in parameters:
        for kind, path in _places(parameter):
            node = root
            for step in path.steps:
                node = node.children.setdefault(step, _Node())
            if (kind, path.slot) not in node.emitters:
                node.emitters[kind, path.slot] = emitter_for(kind, path, hash_of)
    return _compile_node(root)


def _places(parameter: SearchParameter) -> list[tuple[str, TypedPath]]:
    """Return where a parameter's values stand, from the resource, a composite's components included."""
    found = [(parameter.type, path) for path in parameter.paths]
    for composite in parameter.composites:
        for part in composite.parts:
            before = () if part.from_resource else composite.path.steps
            for path in part.paths:
                whole = msgspec.structs.replace(path, steps=(*before, *path.steps))
                found.append((part.type, whole))
    return found


def _compile_node(node: _Node) -> Emitter:
    emitters = tuple(node.emitters.values())
    followers: dict[str, Emitter] = {}
    for step, child in node.children.items():
        follow = _compile_step(step, _compile_node(child))
        before = followers.get(step.key)
        followers[step.key] = follow if before is None else _both(before, follow)
    if not followers:
        return emitters[0] if len(emitters) == 1 else _each(emitters)

    def walk(value: Any, out: Collected) -> None:
        for emit in emitters:
            emit(value, out)
        if type(value) is dict:
            for key, inner in value.items():
                follow = followers.get(key)
                if follow is not None:
                    follow(inner, out)

    return walk


def _each(emitters: tuple[Emitter, ...]) -> Emitter:
    def emit_each(value: Any, out: Collected) -> None:
        for emit in emitters:
            emit(value, out)

    return emit_each


def _both(first: Emitter, second: Emitter) -> Emitter:
    return _each((first, second))


def _compile_step(step: Step, inner: Emitter) -> Emitter:
    """Apply `inner` to the value, or to each item of an array, that the step's filter and index admit."""
    if step.filter is None and step.index is None:

        def follow(value: Any, out: Collected) -> None:
            if type(value) is list:
                for item in value:
                    inner(item, out)
            else:
                inner(value, out)

        return follow

    def follow_some(value: Any, out: Collected) -> None:
        items = value if isinstance(value, list) else [value]
        if step.index is not None:
            items = items[step.index : step.index + 1]
        for item in items:
            if step.filter is None or step.filter.admits(item):
                inner(item, out)

    return follow_some


def _general_emitter(parameter: SearchParameter, hash_of: Hasher) -> Emitter:
    emitters: dict[str, Emitter] = {}

    def emit_general(resource: Any, out: Collected) -> None:
        for type_name, value in typed_values(parameter, resource):
            emit = emitters.get(type_name)
            if emit is None:
                path = TypedPath(parameter.general_slot, (), type_name)
                emit = emitters[type_name] = emitter_for(parameter.type, path, hash_of)
            emit(value, out)

    return emit_general
