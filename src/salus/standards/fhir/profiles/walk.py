"""A walk through a whole resource for what may stand anywhere: extensions, and profiles that resources claim.

R4, extensibility.html; resource.html#Meta.profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from salus.standards.fhir.model import ancestors, properties
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.facts import Profile
from salus.standards.fhir.profiles.items import is_primitive
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.validation.issue import Where, quote
from salus.standards.fhir.validation.values import label_of

DEPTH_MAX = 100

_Key = tuple[str, str, str]
"""What a key leads to: the label of the element, its type, and its path ("Patient.name")."""

_HOLDERS = ("extension", "modifierExtension")


@cache
def _keys(type_name: str) -> Mapping[str, _Key]:
    """Return the keys of a type below which there may be extensions, siblings of primitives included."""
    found: dict[str, _Key] = {}
    for key, prop in properties(type_name).items():
        if prop.element.name in _HOLDERS:
            continue
        path = f"{type_name}.{prop.element.name}" + ("[x]" if prop.element.choice else "")
        code = prop.type.code
        if is_primitive(code):
            found["_" + key] = (label_of(prop), code, path)
        else:
            found[key] = (label_of(prop), code, path)
    return found


Visit = Callable[[dict[str, Any], Where, Run], None]  # Any: FHIR JSON


def walk(
    node: Any, type_name: str, where: Where, run: Run, book: Book, at_resource: Visit
) -> None:  # Any: JSON
    """Check every extension below a node, and tell of every resource in it.

    `at_resource` is told (resource, place, run) of each.
    """
    if type(node) is dict:
        _walk(node, type_name, (type_name,), where, run, book, at_resource, 0)


def _walk(
    node: dict[str, Any],
    type_name: str,
    paths: tuple[str, ...],
    where: Where,
    run: Run,
    book: Book,
    at_resource: Visit,
    depth: int,
) -> None:
    if depth > DEPTH_MAX:
        return
    keys = _keys(type_name)
    around = None
    if "resourceType" in node:
        around = run.resource, run.container
        place = run.around.place(node)
        run.resource, run.container = node, place.holder if place is not None else node
        at_resource(node, where, run)
    for key, value in node.items():
        entry = keys.get(key)
        if entry is not None:
            label, code, path = entry
            kind = type(value)
            if kind is dict:
                if code == "Resource":
                    code = str(value.get("resourceType"))
                _walk(value, code, (path, code), (where, label, None), run, book, at_resource, depth + 1)
            elif kind is list:
                for index, one in enumerate(value):
                    if type(one) is dict:
                        inner = str(one.get("resourceType")) if code == "Resource" else code
                        place_ = (where, label, index)
                        _walk(one, inner, (path, inner), place_, run, book, at_resource, depth + 1)
        elif key in _HOLDERS and type(value) is list:
            for index, one in enumerate(value):
                if type(one) is dict:
                    _extension(one, key, paths, (where, key, index), run, book, at_resource, depth + 1)
    if around is not None:
        run.resource, run.container = around


def _extension(
    node: dict[str, Any],
    key: str,
    paths: tuple[str, ...],
    where: Where,
    run: Run,
    book: Book,
    at_resource: Visit,
    depth: int,
) -> None:
    """Check an extension by its definition, then what is inside it."""
    url = node.get("url")
    if type(url) is str and ":" in url:
        profile = book.find(url)
        if profile is None:
            message = f"Not checked: the extension {quote(url)} needs the package that defines it."
            run.information("extension-not-checked", where, message)
        elif profile.type != "Extension":
            message = f"{quote(url)} is the address of no extension; correct it."
            run.add("error", "structure", "extension-other", where, message)
        else:
            run.follow((node, None, "Extension", where), url)
            _placed(profile, key, paths, where, run)
    inner = (f"extension:{url}", "Extension") if type(url) is str else ("Extension",)
    _walk(node, "Extension", inner, where, run, book, at_resource, depth)


def _placed(profile: Profile, key: str, paths: tuple[str, ...], where: Where, run: Run) -> None:
    """Report an extension that stands where its definition does not allow it."""
    if profile.is_modifier and key == "extension":
        message = f"{profile.url} changes meaning; it stands in modifierExtension, not in extension."
        run.add("error", "structure", "extension-modifier", where, message)
    elif not profile.is_modifier and key == "modifierExtension":
        message = f"{profile.url} changes no meaning; it stands in extension, not in modifierExtension."
        run.add("error", "structure", "extension-modifier", where, message)
    if not profile.contexts or any(_allows(one.type, one.expression, paths) for one in profile.contexts):
        return
    shown = ", ".join(one.expression for one in profile.contexts)
    message = (
        f"{profile.url} does not belong to {paths[0].removeprefix('extension:')}; it belongs to: {shown}."
    )
    run.add("error", "structure", "extension-context", where, message)


@cache
def _allows(kind: str, expression: str, paths: tuple[str, ...]) -> bool:
    """Return whether a context names a place.

    Args:
        kind: "element", "extension" or "fhirpath".
        expression: the place that the context names.
        paths: the place as path of the element, and as its type.
    """
    if kind == "fhirpath":
        return True
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
