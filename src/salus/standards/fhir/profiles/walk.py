"""A walk through a whole resource for what may stand anywhere: extensions, and profiles that resources claim.

R4, extensibility.html; resource.html#Meta.profile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from salus.core.errors import SalusError
from salus.standards.fhir.fhirpath.expression import Node, compile_expression
from salus.standards.fhir.model import ancestors, properties
from salus.standards.fhir.profiles.anywhere import EVERYWHERE, NodeCheck, asked_of_values
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.facts import Profile
from salus.standards.fhir.profiles.items import is_primitive, kind_of
from salus.standards.fhir.profiles.policy import Policy
from salus.standards.fhir.profiles.rules import environment
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.profiles.shapes import number_of
from salus.standards.fhir.validation.issue import Where, quote
from salus.standards.fhir.validation.values import label_of

DEPTH_MAX = 100

_CROSSING = re.compile(r"http://hl7\.org/fhir/[1-6]\.0/StructureDefinition/extension-(.+)").fullmatch
_ONCE_MODIFIERS = frozenset({"Patient.animal"})
"""Elements of other versions of FHIR that changed meaning, and so come as modifierExtension (R3)."""

_HOLDERS = ("extension", "modifierExtension")


class _Way(NamedTuple):
    """What a key leads to.

    Args:
        label: of the element.
        code: its type, "" where the value itself tells (a resource).
        path: of the element ("Patient.name").
        plain: keys of objects of the type from which nothing leads further.
        check: what is checked of every object of the type, None for nothing.
    """

    label: str
    code: str
    path: str
    plain: frozenset[str]
    check: NodeCheck | None


@cache
def _keys(type_name: str) -> Mapping[str, _Way]:
    """Return the keys of a type below which there may be extensions, siblings of primitives included."""
    found: dict[str, _Way] = {}
    for key, prop in properties(type_name).items():
        if prop.element.name in _HOLDERS:
            continue
        path = f"{type_name}.{prop.element.name}" + ("[x]" if prop.element.choice else "")
        code = prop.type.code
        name = "_" + key if is_primitive(code) else key
        inner, plain = ("", frozenset[str]()) if code == "Resource" else (code, _plain(code))
        found[name] = _Way(label_of(prop), inner, path, plain, EVERYWHERE.get(inner))
    return found


@cache
def _plain(type_name: str) -> frozenset[str]:
    """Return the keys of a type that hold bare primitives."""
    return frozenset(key for key, prop in properties(type_name).items() if is_primitive(prop.type.code))


Visit = Callable[[dict[str, Any], Where, Run], None]  # Any: FHIR JSON
Ways = tuple[tuple[str, _Way | None], ...]

WAYS_MAX = 2_000
"""Most shapes of objects for which it is remembered which keys lead further."""

_WAYS: dict[tuple[str, int], Ways] = {}


class Walk:
    """Checks every extension below a resource, and tells of every resource in it.

    Args:
        book: the definitions at hand.
        at_resource: is told (resource, place, run) of each.
        policy: what is asked beyond the standard.
    """

    def __init__(self, book: Book, at_resource: Visit, policy: Policy) -> None:
        self._book = book
        self._at_resource = at_resource
        self._policy = policy
        self._asks = asked_of_values(policy)
        self._ways = _WAYS

    def resource(self, node: dict[str, Any], type_name: str, where: Where, run: Run) -> None:
        """Walk through a whole resource."""
        self._resource(node, type_name, (type_name,), where, run, 0)

    def _resource(
        self,
        node: dict[str, Any],
        type_name: str,
        paths: tuple[str, ...],
        where: Where,
        run: Run,
        depth: int,
    ) -> None:
        around = run.resource, run.container
        stands = run.around.place(node)
        run.resource, run.container = node, stands.holder if stands is not None else node
        self._at_resource(node, where, run)
        check = EVERYWHERE.get(type_name)
        if check is not None:
            check(node, where, run)
        self._inside(node, type_name, paths, where, run, depth)
        run.resource, run.container = around

    def _inside(
        self,
        node: dict[str, Any],
        type_name: str,
        paths: tuple[str, ...],
        where: Where,
        run: Run,
        depth: int,
    ) -> None:
        """Look at what is below an object."""
        if depth > DEPTH_MAX:
            return
        if self._asks is not None:
            self._asks(node, type_name, where, run)
        shape = run.shapes.get(id(node)) or number_of(node)
        ways = self._ways.get((type_name, shape))
        if ways is None:
            ways = self._ways_of(node, type_name, shape)
        for key, way in ways:
            value: Any = node.get(key)
            if way is None:
                for index, one in enumerate(value if type(value) is list else ()):
                    if type(one) is dict:
                        self._extension(one, node, key, paths, (where, key, index), run, depth + 1)
            elif type(value) is dict:
                self._below(value, way, where, None, run, depth)
            elif type(value) is list:
                for index, one in enumerate(value):
                    if type(one) is dict:
                        self._below(one, way, where, index, run, depth)

    def _below(
        self, node: dict[str, Any], way: _Way, where: Where, index: int | None, run: Run, depth: int
    ) -> None:
        """Look at an element; one of which nothing leads further is only checked itself."""
        label, code, path, plain, check = way
        if node.keys() <= plain and self._asks is None:
            if check is not None:
                check(node, (where, label, index), run)
            return
        place = where, label, index
        if not code:
            kind = kind_of(node)
            self._resource(node, kind, (path, kind), place, run, depth + 1)
            return
        if check is not None:
            check(node, place, run)
        self._inside(node, code, (path, code), place, run, depth + 1)

    def _ways_of(self, node: dict[str, Any], type_name: str, shape: int) -> Ways:
        """Return the keys of objects of a shape that lead further."""
        if len(self._ways) >= WAYS_MAX:
            self._ways.clear()
        keys = _keys(type_name)
        found = tuple((key, keys.get(key)) for key in node if key in keys or key in _HOLDERS)
        self._ways[type_name, shape] = found
        return found

    def _extension(
        self,
        node: dict[str, Any],
        holder: dict[str, Any],
        key: str,
        paths: tuple[str, ...],
        where: Where,
        run: Run,
        depth: int,
    ) -> None:
        """Check an extension by its definition, then what is inside it."""
        url = node.get("url")
        if type(url) is str and ":" in url:
            profile = self._book.find(url)
            if profile is None:
                self._unknown(url, where, run)
            elif profile.type != "Extension":
                message = f"{quote(url)} is the address of no extension; correct it."
                run.add("error", "structure", "extension-other", where, message)
            else:
                run.follow((node, None, "Extension", where), url)
                _placed(profile, key, paths, holder, where, run)
        inner = (f"extension:{url}", "Extension") if type(url) is str else ("Extension",)
        self._inside(node, "Extension", inner, where, run, depth)

    def _unknown(self, url: str, where: Where, run: Run) -> None:
        crossing = _CROSSING(url)
        if crossing is not None:
            _across(url, crossing[1], where, run)
        elif self._book.is_complete(url) or not (self._policy.unknown_extensions or _is_example(url)):
            message = f"The extension {quote(url)} is defined nowhere that is at hand; correct or remove it."
            run.add("error", "structure", "extension-unknown", where, message)
        else:
            message = f"Not checked: the extension {quote(url)} needs the package that defines it."
            run.information("extension-not-checked", where, message)


def _is_example(url: str) -> bool:
    return url.startswith(("http://example.org/", "https://example.org/"))


def _across(url: str, element: str, where: Where, run: Run) -> None:
    """Tell of an extension that stands for an element of another version of FHIR."""
    if element in _ONCE_MODIFIERS and where[1] == "extension":
        message = f"{element} changed meaning in that version; it stands in modifierExtension."
        run.add("error", "structure", "extension-modifier", where, message)
    else:
        message = f"Not checked: {quote(url)} needs the package of extensions between versions of FHIR."
        run.information("extension-not-checked", where, message)


def _placed(
    profile: Profile, key: str, paths: tuple[str, ...], holder: dict[str, Any], where: Where, run: Run
) -> None:
    """Report an extension that stands where its definition does not allow it."""
    if profile.is_modifier and key == "extension":
        message = f"{profile.url} changes meaning; it stands in modifierExtension, not in extension."
        run.add("error", "structure", "extension-modifier", where, message)
    elif not profile.is_modifier and key == "modifierExtension":
        message = f"{profile.url} changes no meaning; it stands in extension, not in modifierExtension."
        run.add("error", "structure", "extension-modifier", where, message)
    if not profile.contexts or any(_allows(one.type, one.expression, paths) for one in profile.contexts):
        return
    if any(one.type == "fhirpath" and _selects(one.expression, holder, run) for one in profile.contexts):
        return
    shown = ", ".join(one.expression for one in profile.contexts)
    message = f"{profile.url} does not belong to {paths[-1]}; it belongs to: {shown}."
    run.add("error", "structure", "extension-context", where, message)


def _selects(expression: str, holder: dict[str, Any], run: Run) -> bool:
    """Return whether an expression selects what holds an extension; one that fails selects all."""
    try:
        compiled = compile_expression(expression, kind_of(run.resource), filtering_as=True)
        found = compiled.collection(run.resource, environment(run))
    except SalusError:
        return True
    return any(isinstance(one, Node) and holder in (one.value, one.extra) for one in found)


@lru_cache(maxsize=4096)
def _allows(kind: str, expression: str, paths: tuple[str, ...]) -> bool:
    """Return whether a context names a place.

    Args:
        kind: "element", "extension" or "fhirpath".
        expression: the place that the context names.
        paths: the place as path of the element, and as its type.
    """
    if kind == "fhirpath":
        return False
    if kind == "extension":
        return f"extension:{expression}" in paths
    if expression in ("Element", "Base", "Any", "*"):
        return True
    plain = expression.removesuffix("[x]")
    for path in paths:
        if path.removesuffix("[x]") == plain:
            return True
        root, _, rest = path.removesuffix("[x]").partition(".")
        if any(plain == (f"{one}.{rest}" if rest else one) for one in ancestors(root)):
            return True
        if "." in path and any(plain == one for one in ancestors(path)):
            return True
    return False
