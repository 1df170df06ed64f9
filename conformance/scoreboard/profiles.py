"""Checks a resource against FHIR profiles by their differentials (R4 profiling.html), as far as IHE's go.

Checked are cardinality, patterns and fixed values, required bindings to value sets that are at hand, slices
by value (of elements, of `$this` and of an extension's url), open and closed, target types of references and
error constraints. Not checked: slices by profile or position, types of choices, terminology not at hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from salus.core.errors import SalusError
from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import compile_expression

Json = Any
Element = dict[str, Json]
Codes = frozenset[tuple[str, str]]
_OF_TYPE = re.compile(r"value\.ofType\((\w+)\)")
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Node:
    """An element of a profile: its rules, its slices and what is below it."""

    def __init__(self) -> None:
        self.rules: Element = {}
        self.slices: dict[str, Node] = {}
        self.below: dict[str, Node] = {}


class Profiles:
    """The profiles, value sets and code systems of a folder."""

    def __init__(self, resources: list[Element]) -> None:
        by_kind: dict[str, dict[str, Element]] = {}
        for one in resources:
            by_kind.setdefault(str(one.get("resourceType")), {})[str(one.get("url"))] = one
        self.definitions = by_kind.get("StructureDefinition", {})
        self.value_sets = by_kind.get("ValueSet", {})
        self.code_systems = by_kind.get("CodeSystem", {})

    def problems(self, resource: Element, profile: str) -> Iterator[str]:
        """Yield what is wrong with a resource by a profile that is at hand."""
        root = self._tree(profile)
        yield from self._check(root, [resource], str(resource["resourceType"]), resource)

    def _tree(self, profile: str) -> Node:
        definition = self.definitions[profile]
        base = str(definition.get("baseDefinition"))
        root = self._tree(base) if base in self.definitions else Node()
        for element in definition["differential"]["element"]:
            node = root
            for step in element["id"].split(".")[1:]:
                name, _, cut = step.partition(":")
                node = node.below.setdefault(name, Node())
                node = node.slices.setdefault(cut, Node()) if cut else node
            node.rules = node.rules | element
        return root

    def _codes(self, url: str) -> Codes | None:
        """Return the codes of a value set, None when it cannot be expanded here."""
        value_set = self.value_sets.get(url.partition("|")[0])
        if value_set is None:
            return None
        found: set[tuple[str, str]] = set()
        for include in value_set["compose"]["include"]:
            system = include["system"]
            listed = include.get("concept") or self.code_systems.get(system, {}).get("concept")
            if listed is None:
                return None
            found |= {(system, concept["code"]) for concept in listed}
        return frozenset(found)

    def _check(self, node: Node, values: list[Json], path: str, resource: Element) -> Iterator[str]:
        yield from _count(node.rules, values, path)
        for value in values:
            yield from self._check_value(node.rules, value, path, resource)
            yield from self._check_below(node, value, path, resource)
        left = list(values)
        for name, cut in node.slices.items():
            matching = [value for value in values if self._is_in(cut, node.rules, value)]
            left = [value for value in left if all(value is not other for other in matching)]
            yield from self._check(cut, matching, f"{path}:{name}", resource)
        if left and node.slices and node.rules.get("slicing", {}).get("rules") == "closed":
            yield f"{path}: {len(left)} in no slice of a closed slicing"

    def _check_below(self, node: Node, value: Json, path: str, resource: Element) -> Iterator[str]:
        for name, inner in node.below.items():
            yield from self._check(inner, _at(value, name), f"{path}.{name}", resource)

    def _check_value(self, rules: Element, value: Json, path: str, resource: Element) -> Iterator[str]:
        for key, wanted in rules.items():
            if key.startswith(("pattern", "fixed")) and not _fits(value, wanted):
                yield f"{path} must be like {wanted}"
        binding = rules.get("binding", {})
        if binding.get("strength") == "required" and not self._is_bound(value, binding["valueSet"]):
            yield f"{path} must be of {binding['valueSet']}"
        targets = [
            one.rpartition("/")[2] for kind in rules.get("type", []) for one in kind.get("targetProfile", [])
        ]
        reference = value.get("reference") if isinstance(value, dict) else None
        if targets and isinstance(reference, str) and not any(f"{one}/" in reference for one in targets):
            yield f"{path} must refer to {' or '.join(targets)}"
        for constraint in rules.get("constraint", []):
            if constraint["severity"] == "error" and not _holds(constraint["expression"], value, resource):
                yield f"{path}: {constraint['human']}"

    def _is_bound(self, value: Json, url: str) -> bool:
        codes = self._codes(url)
        if codes is None:
            return True
        codings = value.get("coding", [value]) if isinstance(value, dict) else [{"code": value}]
        return any(
            (coding.get("system"), coding.get("code")) in codes
            or ("system" not in coding and any(code == coding.get("code") for _, code in codes))
            for coding in codings
        )

    def _is_in(self, cut: Node, slicing: Element, value: Json) -> bool:
        """Return whether a value is one of a slice, by every discriminator."""
        discriminators = slicing.get("slicing", {}).get("discriminator", [])
        return bool(discriminators) and all(self._has_mark(cut, one["path"], value) for one in discriminators)

    def _has_mark(self, cut: Node, path: str, value: Json) -> bool:
        """Return whether a value has what the slice says at a discriminator's path."""
        profile = next(
            (str(one) for kind in cut.rules.get("type", []) for one in kind.get("profile", [])), ""
        )
        if path == "url" and profile:
            return isinstance(value, dict) and value.get("url") == profile
        node, found = cut, [value]
        # A mark in an extension's own content stands in the extension's profile.
        if profile in self.definitions:
            node = self._tree(profile)
        for step in [] if path == "$this" else _OF_TYPE.sub("value[x]", path).split("."):
            node = node.below.get(step, Node())
            found = [inner for one in found for inner in _at(one, step)]
        says = any(key.startswith(("pattern", "fixed", "binding")) for key in node.rules)
        return not says or any(not list(self._check_value(node.rules, one, "", {})) for one in found)


def _at(value: Json, name: str) -> list[Json]:
    """Return the values of an element; "value[x]" is whichever choice is there."""
    if not isinstance(value, dict):
        return []
    if name.endswith("[x]"):
        stem = name.removesuffix("[x]")
        return [one for key, one in value.items() if key.startswith(stem) and key[len(stem) :][:1].isupper()]
    found = value.get(name, [])
    return found if isinstance(found, list) else [found]


def _count(rules: Element, values: list[Json], path: str) -> Iterator[str]:
    if len(values) < rules.get("min", 0):
        yield f"{path} must be there {rules['min']} times or more, is {len(values)} times"
    most = rules.get("max", "*")
    if most != "*" and len(values) > int(most):
        yield f"{path} may be there {most} times, is {len(values)} times"


def _fits(value: Json, wanted: Json) -> bool:
    """Return whether a value has everything that a pattern has."""
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and all(
            name in value and _fits(value[name], one) for name, one in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(_fits(one, two) for one in value) for two in wanted)
    return bool(value == wanted)


def _holds(expression: str, value: Json, resource: Element) -> bool:
    try:
        return compile_expression(expression).test(value, Environment(now=_NOW, resource=resource))
    except SalusError:
        return False
