"""Compiled expressions: the door of this package."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from salus.core.errors import TooCostly
from salus.standards.fhir.fhirpath.compiled import Compiled, Options
from salus.standards.fhir.fhirpath.compiler import Compiler
from salus.standards.fhir.fhirpath.direct import Direct, Undecided
from salus.standards.fhir.fhirpath.direct_compiler import compile_direct
from salus.standards.fhir.fhirpath.environment import NOTHING_SUPPLIED, Context, Environment
from salus.standards.fhir.fhirpath.grammar import parse
from salus.standards.fhir.fhirpath.shape import Shape, of_type
from salus.standards.fhir.fhirpath.truth import truth
from salus.standards.fhir.fhirpath.values import Collection, Node, json_value, system_type

__all__ = ["Environment", "Expression", "Node", "Options", "compile_expression"]

# JSON of another form than its type (a string where an object belongs) ends the fast road just so.
NOT_DIRECT = (Undecided, AttributeError, TypeError, KeyError)


class Expression(msgspec.Struct, frozen=True):
    """A compiled expression.

    Args:
        text: as it was written.
        root_type: type of its input, "" when only the input tells.
        compiled: the closure over contexts.
        direct: the fast form for JSON of the root type, or None.
    """

    text: str
    root_type: str
    compiled: Compiled
    direct: Direct | None = None

    def collection(self, item: Any, environment: Environment = NOTHING_SUPPLIED) -> Collection:
        """Evaluate on JSON or a `Node`; return nodes and System values.

        Raises:
            InvalidExpression: it cannot be evaluated on this input.
            TooCostly: it visits more than the limit.
        """
        root = item if isinstance(item, Node) else Node(item, self.root_type or _type_of(item))
        try:
            return self.compiled.run(Context(environment, [root]))
        except RecursionError as error:
            raise TooCostly("The expression is nested too deep to evaluate") from error

    def __call__(self, item: Any, environment: Environment = NOTHING_SUPPLIED) -> list[Any]:
        """Evaluate; return plain values: JSON of elements, System values otherwise."""
        direct = self.direct
        if direct is not None and type(item) is dict:
            try:
                return list(direct.many(item, environment))
            except NOT_DIRECT:
                pass
        return [json_value(found) for found in self.collection(item, environment)]

    def nodes(self, item: Any, environment: Environment = NOTHING_SUPPLIED) -> list[Node]:
        """Evaluate; return the nodes with type and location, leaving out System values."""
        return [found for found in self.collection(item, environment) if isinstance(found, Node)]

    def typed(self, item: Any, environment: Environment = NOTHING_SUPPLIED) -> list[tuple[str, Any]]:
        """Evaluate; return pairs of a type's name ("code", "System.String") and the plain value."""
        direct = self.direct
        if direct is not None and type(item) is dict:
            try:
                return self._pairs(direct, item, environment)
            except NOT_DIRECT:
                pass
        return [
            (found.type, found.value) if isinstance(found, Node) else (f"System.{system_type(found)}", found)
            for found in self.collection(item, environment)
        ]

    def _pairs(self, direct: Direct, item: Any, environment: Environment) -> list[tuple[str, Any]]:
        if direct.pairs is not None:
            return list(direct.pairs(item, environment))
        name = direct.type
        if name == "Resource":
            return [(value["resourceType"], value) for value in direct.many(item, environment)]
        return [(name, value) for value in direct.many(item, environment)]

    def test(self, item: Any, environment: Environment = NOTHING_SUPPLIED) -> bool:
        """Return whether a rule holds; an empty answer counts as true (nothing contradicts the rule)."""
        return self.verdict(item, environment) is not False

    def verdict(self, item: Any, environment: Environment = NOTHING_SUPPLIED) -> bool | None:
        """Return whether a rule holds, None where its answer is empty: it is not decided."""
        direct = self.direct
        if direct is not None and direct.one is not None and type(item) is dict:
            try:
                found = direct.one(item, environment)
                return found is not False if found is not None else None
            except NOT_DIRECT:
                pass
        return truth(self.collection(item, environment))


def _type_of(item: Any) -> str:  # JSON or a System value
    if isinstance(item, dict):
        return str(item.get("resourceType", ""))
    return ""


def compile_once(text: str, root_type: str = "", *, strict: bool = False) -> Expression:
    """Compile an expression that a stranger sent: the general way only, metered, and not kept in the cache.

    Raises:
        InvalidExpression: as `compile_expression`.
    """
    root = of_type(root_type) if root_type else Shape(None, many=False)
    compiled = Compiler(root, Options(strict=strict, metered=True)).expression(parse(text))
    return Expression(text, root_type, compiled)


@lru_cache(maxsize=8192)
def compile_expression(
    text: str, root_type: str = "", *, strict: bool = False, filtering_as: bool = False
) -> Expression:
    """Compile an expression.

    Args:
        text: FHIRPath.
        root_type: type of the input, as `salus.standards.fhir.model` names it; "" when unknown.
        strict: as in `Options`.
        filtering_as: as in `Options`.

    Raises:
        InvalidExpression: a syntax error, an unknown function or type, or with `strict` a path
            that cannot select anything.
    """
    root = of_type(root_type) if root_type else Shape(None, many=False)
    tree = parse(text)
    compiled = Compiler(root, Options(strict=strict, filtering_as=filtering_as)).expression(tree)
    return Expression(text, root_type, compiled, compile_direct(tree, root_type, filtering_as=filtering_as))
