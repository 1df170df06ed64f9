"""SearchParameters as the node uses them: per resource type, with the places where their values stand.

Source: FHIR R4 (4.0.1) SearchParameter definitions (`model.search_parameters`). 1,384 of the 1,400 have an
expression; the other 16, `near`, and the two that read a resource inside a Bundle are refused by name. A
node's own parameters are added by a `Registry` value that is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

from salus.core.errors import InvalidResource
from salus.standards.fhir.model import (
    SearchParameterRow,
    ancestors,
    properties,
    resource_types,
    search_parameters,
)
from salus.standards.fhir.search.paths import Step, TypedPath, typed_paths

QUANTITIES = frozenset({"Quantity", "Age", "Duration", "Count", "Distance", "Money", "Range", "SampledData"})
_PLAIN = frozenset({"code", "id", "string", "boolean", "uri", "url", "canonical", "oid", "uuid", "markdown"})
VALUE_TYPES: Mapping[str, frozenset[str]] = {
    "token": frozenset({"Identifier", "CodeableConcept", "Coding", "ContactPoint"}) | _PLAIN,
    "string": frozenset({"string", "markdown", "HumanName", "Address"}),
    "reference": frozenset({"Reference", "canonical", "uri"}),
    "date": frozenset({"date", "dateTime", "instant", "Period", "Timing"}),
    "quantity": QUANTITIES,
    "uri": frozenset({"uri", "url", "canonical", "oid", "uuid"}),
    "number": frozenset({"decimal", "integer", "positiveInt", "unsignedInt", "Range"}),
}
_TEXT_PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}
_CLINICAL_DATES = (
    *(
        "authoredon",
        "date",
        "authored",
        "effective",
        "effective-time",
        "recorded-date",
        "onset-date",
        "created",
    ),
    *("issued", "period", "whenhandedover", "whenprepared", "started", "collected", "authored-on", "sent"),
    *("start-date", "recorded"),
)


class Part(msgspec.Struct, frozen=True):
    """One component of a composite parameter, relative to the composite's element.

    Args:
        type: search type of the component ("token").
        paths: where its values stand.
        from_resource: the paths start at the resource, not at the element (%resource).
    """

    type: str
    paths: tuple[TypedPath, ...]
    from_resource: bool = False


class Composite(msgspec.Struct, frozen=True):
    """One element that a composite parameter looks at: all parts must hold within it."""

    path: TypedPath
    parts: tuple[Part, ...]


class SearchParameter(msgspec.Struct, frozen=True):
    """A search parameter of one resource type.

    Args:
        code: name in a search ("value-quantity").
        type: token, string, date, number, quantity, reference, uri, composite or special.
        url: canonical of the definition.
        resource: the resource type it is resolved for.
        expression: as the definition states it.
        targets: for a reference: types it may point to, () = any.
        paths: typed places of its values, empty for a composite and for a general expression.
        general: True when values come from the FHIRPath engine, under the slot `general_slot`.
        composites: for a composite: its elements.
        refused: why the node does not search by it, "" when it does.
    """

    code: str
    type: str
    url: str
    resource: str
    expression: str
    targets: tuple[str, ...] = ()
    paths: tuple[TypedPath, ...] = ()
    general: bool = False
    composites: tuple[Composite, ...] = ()
    refused: str = ""

    @property
    def general_slot(self) -> str:
        """Name of the place of a general expression's values."""
        return f"{self.resource}.~{self.code}"


class Registry:
    """The parameters a node knows: those of R4 and those added to it. Resolved per type on first use."""

    def __init__(self, rows: Sequence[SearchParameterRow], *, pending: frozenset[str] = frozenset()) -> None:
        """Take definitions; of two with one code and base, the earlier counts. `pending` are refused."""
        self.rows = tuple(rows)
        self._pending = pending
        self._by_url = {row.url: row for row in reversed(self.rows)}
        self._resolved: dict[str, dict[str, SearchParameter]] = {}

    def of(self, type_name: str) -> dict[str, SearchParameter]:
        """Return the parameters of a resource type by code, those of Resource included."""
        found = self._resolved.get(type_name)
        if found is None:
            bases = set(ancestors(type_name))
            rows = [row for row in self.rows if bases & set(row.base)]
            found = {row.code: self._resolve(type_name, row) for row in reversed(rows)}
            self._resolved[type_name] = found
        return found

    def with_added(
        self, rows: Sequence[SearchParameterRow], *, pending: frozenset[str] = frozenset()
    ) -> Registry:
        """Return a registry in which the given definitions precede (and so replace) these.

        Args:
            rows: definitions; one with the url of a known parameter takes its place for all bases.
            pending: urls of those that are still being indexed: a search by one is refused by name.

        Raises:
            InvalidResource: a definition has no base of R4, no code, or an expression of no use here.
        """
        for row in rows:
            _check(row)
        urls = {row.url for row in rows}
        stay = (row for row in self.rows if row.url not in urls)
        return Registry((*rows, *stay), pending=pending)

    def _resolve(self, type_name: str, row: SearchParameterRow) -> SearchParameter:
        bare = SearchParameter(row.code, row.type, row.url, type_name, row.expression, row.target)
        if not row.expression:
            reason = f"The search parameter '{row.code}' of {type_name} has no expression in FHIR R4"
            return msgspec.structs.replace(bare, refused=f"{reason}; search by another parameter.")
        if row.url in self._pending:
            reason = f"The search parameter '{row.code}' of {type_name} is being indexed"
            return msgspec.structs.replace(bare, refused=f"{reason}; use it when /metadata lists it.")
        if row.type == "special":
            reason = f"Salus does not search by '{row.code}'; search by another parameter of {type_name}."
            return msgspec.structs.replace(bare, refused=reason)
        if row.type == "composite":
            composites = self._composites(type_name, row)
            reason = "" if composites else f"The composite '{row.code}' of {type_name} reads no element."
            return msgspec.structs.replace(bare, composites=composites, refused=reason)
        paths = typed_paths(type_name, row.expression)
        if paths is None:
            return msgspec.structs.replace(bare, general=True)
        if row.type == "reference" and any(path.type == "Resource" for path in paths):
            reason = f"'{row.code}' of {type_name} reads a resource inside it, which Salus does not search"
            return msgspec.structs.replace(bare, refused=f"{reason}; search by another parameter.")
        return msgspec.structs.replace(bare, paths=_usable(row.type, paths))

    def _composites(self, type_name: str, row: SearchParameterRow) -> tuple[Composite, ...]:
        found = []
        for element in typed_paths(type_name, row.expression) or ():
            parts = []
            for component in row.components:
                definition = self._by_url.get(component.definition)
                kind = definition.type if definition else "token"
                expression = component.expression.removeprefix("%resource.")
                from_resource = expression != component.expression
                root = type_name if from_resource else element.type
                kind, inner = _readable(kind, typed_paths(root, expression) or ())
                if not from_resource:
                    inner = tuple(_below(element, path) for path in inner)
                parts.append(Part(kind, inner, from_resource))
            found.append(Composite(element, tuple(parts)))
        return tuple(found)


def _below(element: TypedPath, path: TypedPath) -> TypedPath:
    """Name a composite's inner path from the resource, so that it shares the slot of the whole path."""
    tail = path.slot.removeprefix(element.type)
    single = element.single and path.single
    return msgspec.structs.replace(path, slot=element.slot + tail, single=single)


def _usable(kind: str, paths: Sequence[TypedPath]) -> tuple[TypedPath, ...]:
    """Keep the paths whose type the search type can read; names and addresses become their text parts."""
    found: list[TypedPath] = []
    for path in paths:
        if path.type not in VALUE_TYPES[kind]:
            continue
        if path.type in _TEXT_PARTS:
            found.extend(_text_part(path, name) for name in _TEXT_PARTS[path.type])
        else:
            found.append(path)
    return tuple(dict.fromkeys(found))


def _readable(kind: str, paths: Sequence[TypedPath]) -> tuple[str, tuple[TypedPath, ...]]:
    """Return search type and places of a component; R4 names two of DocumentReference crosswise."""
    for candidate in (kind, "token", "reference"):
        if usable := _usable(candidate, paths):
            return candidate, usable
    return kind, ()


def _text_part(path: TypedPath, name: str) -> TypedPath:
    inner = properties(path.type)[name]
    return TypedPath(
        slot=f"{path.slot}.{name}",
        steps=(*path.steps, Step(name)),
        type=inner.type.code,
        single=path.single and inner.element.max == 1,
    )


def _check(row: SearchParameterRow) -> None:
    known = resource_types() | {"Resource", "DomainResource"}
    unknown = [base for base in row.base if base not in known]
    if not row.code or not row.base or unknown:
        raise InvalidResource(
            f"A SearchParameter needs a code and bases that are R4 resource types; code {row.code[:80]!r}, "
            f"unknown bases {', '.join(unknown)[:80] or 'none'}."
        )
    if not row.expression or row.type not in {*VALUE_TYPES, "composite"}:
        raise InvalidResource(
            f"The SearchParameter '{row.code[:80]}' needs an expression and a type other than special."
        )


@cache
def standard() -> Registry:
    """Return the parameters of FHIR R4; the definition's own examples give way to what they copy."""
    rows = search_parameters()
    examples = [row for row in rows if row.url.rpartition("/")[2].startswith("example")]
    return Registry([*(row for row in rows if row not in examples), *examples])


def parameters_of(type_name: str, registry: Registry | None = None) -> dict[str, SearchParameter]:
    """Return the search parameters of a resource type by code; empty for an unknown type."""
    return (registry or standard()).of(type_name)


def offered_parameters(type_name: str, registry: Registry | None = None) -> dict[str, SearchParameter]:
    """Return the parameters that a search of the type may name, sorted by code."""
    known = parameters_of(type_name, registry)
    return {code: one for code, one in sorted(known.items()) if not one.refused}


def clinical_date(type_name: str, registry: Registry | None = None) -> SearchParameter | None:
    """Return the parameter whose start is the resource's clinical date (column `date`), None for none."""
    known = parameters_of(type_name, registry)
    for code in _CLINICAL_DATES:
        found = known.get(code)
        if found is not None and found.type == "date" and found.paths:
            return found
    return None


def reference_targets(parameter: SearchParameter) -> frozenset[str]:
    """Return the resource types that a reference parameter leads to, none for one that holds addresses only.

    A canonical says which definition is meant, not where a resource is: it is searched by, not followed.
    """
    paths = [path for path in parameter.paths if path.type == "Reference"]
    if not paths and not parameter.general:
        return frozenset()
    named = {path.target for path in paths if path.target}
    for path in paths:
        if not path.target:
            named |= set(path.targets or parameter.targets or ("Resource",))
    if parameter.targets and "Resource" not in parameter.targets:
        named = (named & set(parameter.targets)) or set(parameter.targets)
    return resource_types() if "Resource" in named else frozenset(named) & resource_types()


def not_followed(parameter: SearchParameter) -> str:
    """Return why a search cannot go on from a parameter to what it names."""
    code = parameter.code
    return (
        f"'{code}' of {parameter.resource} holds canonical addresses, which the node does not follow: search "
        f"by the address ({code}=http://...), and for what has it by url."
    )
