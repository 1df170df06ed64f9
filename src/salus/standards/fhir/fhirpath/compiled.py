"""What compiling a part of an expression gives, and the closures that need nothing else."""

from __future__ import annotations

import msgspec

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath.environment import Context
from salus.standards.fhir.fhirpath.equality import weight_of
from salus.standards.fhir.fhirpath.functions.function import Evaluate
from salus.standards.fhir.fhirpath.shape import Shape
from salus.standards.fhir.fhirpath.syntax import Binary, Call, Chain, Member, Syntax, children_of
from salus.standards.fhir.fhirpath.values import Collection, Node


class Options(msgspec.Struct, frozen=True):
    """How strictly to compile.

    Args:
        strict: refuse paths and casts that can never select anything, and order where there is none.
        filtering_as: as the rules and search parameters of R4 are written: `as` keeps the items of the
            type instead of demanding a single item, and "Boolean" means FHIR's boolean too.
        metered: count every part that is evaluated, with the size of its answer, as a step: for text from
            strangers, where a part that looks cheap may be made dear.
    """

    strict: bool = False
    filtering_as: bool = False
    metered: bool = False


class Compiled(msgspec.Struct, frozen=True):
    """A closure with what is known of its answer."""

    run: Evaluate
    shape: Shape


def type_argument(tree: Syntax, position: int) -> str:
    """Return the type name that an argument spells.

    Raises:
        InvalidExpression: it is no name.
    """
    match tree:
        case Member(name=name):
            return name
        case Chain(left=Member(name=namespace), right=Member(name=name)):
            return f"{namespace}.{name}"
        case _:
            raise InvalidExpression("Expected the name of a type", position=position)


def defines_variable(tree: Syntax) -> bool:
    """Return whether a tree calls defineVariable()."""
    level = [tree]
    while level:
        if any(isinstance(one, Call) and one.name == "defineVariable" for one in level):
            return True
        level = [child for one in level for child in children_of(one)]
    return False


def constant(items: Collection, known: Shape) -> Compiled:
    """Compile what is always the same."""
    return Compiled(lambda context: items, known)


def optional(node: Node | None) -> Collection:
    """Return a node as a collection."""
    return [] if node is None else [node]


def supplied(context: Context, name: str, position: int) -> Collection:
    """Return what defineVariable() or the caller has given a name.

    Raises:
        InvalidExpression: nobody has.
    """
    if name in context.variables:
        return context.variables[name]
    if name not in context.environment.variables:
        raise InvalidExpression(f"There is no constant %{name}", position=position)
    value = context.environment.variables[name]
    values = value if isinstance(value, list) else [value]
    return [Node(one, str(one.get("resourceType", ""))) if isinstance(one, dict) else one for one in values]


def metered(run: Evaluate) -> Evaluate:
    """Count an evaluation and the size of its answer against the limit."""

    def counted(context: Context) -> Collection:
        found = run(context)
        context.budget.spend(1 + sum(map(weight_of, found)))
        return found

    return counted


def placed(run: Evaluate, tree: Call | Binary) -> Evaluate:
    """Give an error of a function or operator its position in the text."""

    def placed(context: Context) -> Collection:
        try:
            return run(context)
        except InvalidExpression as error:
            if error.position is None:
                raise InvalidExpression(error.message, position=tree.position) from error
            raise

    return placed
