"""From a tree to closures: one small closure for each node of the tree."""

from __future__ import annotations

from collections.abc import Callable

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath import arithmetic, navigate, operators, shape, types
from salus.standards.fhir.fhirpath.compiled import (
    Compiled,
    Options,
    constant,
    defines_variable,
    metered,
    optional,
    placed,
    supplied,
    type_argument,
)
from salus.standards.fhir.fhirpath.environment import Context, single
from salus.standards.fhir.fhirpath.functions.filtering import sort_by
from salus.standards.fhir.fhirpath.functions.function import SAME, Evaluate, Function
from salus.standards.fhir.fhirpath.functions.table import functions
from salus.standards.fhir.fhirpath.shape import Shape
from salus.standards.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Chain,
    Constant,
    Descending,
    Index,
    Literal,
    Member,
    Nothing,
    Sign,
    Syntax,
    TypeTest,
    Variable,
)
from salus.standards.fhir.fhirpath.values import Collection, system_type, system_value

Invoke = Callable[[Context, Collection], Collection]
"""A compiled step: from a context and its input to a collection."""

_CONSTANTS = {
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "ucum": "http://unitsofmeasure.org",
}
_VALUE_SET = "http://hl7.org/fhir/ValueSet/"
_EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
_TYPE_FUNCTIONS = frozenset({"is", "as", "ofType"})


class Compiler:
    """Compiles a tree; `here` is the shape of `$this` at the place that is being compiled."""

    def __init__(self, root: Shape, options: Options) -> None:
        self.root = root
        self.here = root
        self.options = options

    def expression(self, tree: Syntax) -> Compiled:
        """Compile an expression."""
        compiled = self.plain(tree)
        if not self.options.metered:
            return compiled
        return Compiled(metered(compiled.run), compiled.shape)

    def plain(self, tree: Syntax) -> Compiled:
        """Compile an expression, unmetered."""
        match tree:
            case Literal():
                return constant([tree.value], shape.system(system_type(tree.value)))
            case Nothing():
                return constant([], Shape(frozenset(), many=False))
            case Variable():
                return self.variable(tree)
            case Constant():
                return self.constant(tree)
            case Member():
                return self.head(tree)
            case Call():
                return self.call(tree, Compiled(lambda context: context.focus, self.here))
            case Chain():
                return self.chain(tree)
            case Index():
                return self.index(tree)
            case Sign():
                return self.sign(tree)
            case Binary():
                return self.binary(tree)
            case TypeTest():
                left = self.scoped(tree.operand)
                return self.type_test(tree.operator, left, tree.type_name, tree.position)
            case Descending():
                raise InvalidExpression("desc stands only in sort()")

    def scoped(self, tree: Syntax) -> Compiled:
        """Compile an operand or argument whose variables end with it."""
        compiled = self.expression(tree)
        if not defines_variable(tree):
            return compiled
        inner = compiled.run

        def run(context: Context) -> Collection:
            before = context.variables
            try:
                return inner(context)
            finally:
                context.variables = before

        return Compiled(run, compiled.shape)

    def variable(self, tree: Variable) -> Compiled:
        """One of `$this`, `$index`, `$total`."""
        if tree.name == "$this":
            return Compiled(lambda context: context.focus, self.here)
        if tree.name == "$index":
            return Compiled(
                lambda context: [] if context.index is None else [context.index], shape.system("Integer")
            )
        return Compiled(lambda context: context.total or [], shape.UNKNOWN)

    def constant(self, tree: Constant) -> Compiled:
        """`%name`."""
        name = tree.name
        if name in _CONSTANTS:
            return constant([_CONSTANTS[name]], shape.system("String"))
        if name.startswith("vs-"):
            return constant([_VALUE_SET + name[3:]], shape.system("String"))
        if name.startswith("ext-"):
            return constant([_EXTENSION + name[4:]], shape.system("String"))
        match name:
            case "context":
                return Compiled(lambda context: context.root, self.root)
            case "resource":
                return Compiled(lambda context: optional(context.resource()), Shape(None, many=False))
            case "rootResource":
                return Compiled(lambda context: optional(context.root_resource()), Shape(None, many=False))
        return Compiled(lambda context: supplied(context, name, tree.position), shape.UNKNOWN)

    def head(self, tree: Member) -> Compiled:
        """A name at the start of a path: the type of the input, or a child of it."""
        here, name = self.here, tree.name
        if shape.is_type_name(here, name):
            found = (
                here if here.types is not None and not here.types & shape.ABSTRACT else shape.of_type(name)
            )

            def run(context: Context) -> Collection:
                return [item for item in context.focus if types.is_of(item, (name,))]

            return Compiled(run, found)
        return self.member(Compiled(lambda context: context.focus, here), tree)

    def member(self, left: Compiled, tree: Member) -> Compiled:
        """A step to the children of a name."""
        name, inner = tree.name, left.run
        found = shape.step(left.shape, name)
        if found is None and self.options.strict:
            owners = " or ".join(sorted(left.shape.types or ()))
            raise InvalidExpression(f"{owners} has no element {name!r}", position=tree.position)
        follow = navigate.member

        def run(context: Context) -> Collection:
            items = inner(context)
            if len(items) == 1:
                found = follow(items[0], name)
                context.budget.spend(len(found))
                return found
            reached: Collection = []
            for item in items:
                reached += follow(item, name)
            context.budget.spend(len(reached))
            return reached

        return Compiled(run, found or Shape(frozenset(), many=False))

    def chain(self, tree: Chain) -> Compiled:
        """`left.right`."""
        left = self.expression(tree.left)
        match tree.right:
            case Member():
                return self.member(left, tree.right)
            case Call():
                return self.call(tree.right, left)
            case Variable(name="$this"):
                return left
            case _:
                raise InvalidExpression("Expected a name or a function after '.'")

    def index(self, tree: Index) -> Compiled:
        """`left[index]`."""
        left, index = self.expression(tree.left), self.scoped(tree.index)
        self.need_order(left, "[]", tree.position)
        items, at = left.run, index.run

        def run(context: Context) -> Collection:
            value = system_value(single(at(context), "[]"))
            if value is None:
                return []
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidExpression("[] takes an integer", position=tree.position)
            found = items(context)
            return found[value : value + 1] if value >= 0 else []

        return Compiled(run, Shape(left.shape.types, many=False))

    def need_order(self, left: Compiled, what: str, position: int) -> None:
        """Refuse, when strict, what counts items that have no order."""
        if self.options.strict and not left.shape.ordered:
            raise InvalidExpression(f"{what} has no meaning where items have no order", position=position)

    def sign(self, tree: Sign) -> Compiled:
        """Unary plus and minus."""
        is_constant = isinstance(tree.operand, Literal)
        operand = self.plain(tree.operand) if is_constant else self.scoped(tree.operand)
        inner, is_minus = operand.run, tree.operator == "-"

        def run(context: Context) -> Collection:
            value = system_value(single(inner(context), "a sign"))
            if value is None:
                return []
            turned = arithmetic.negative(value)
            return [turned if is_minus else value]

        if is_constant:
            return constant(run(Context.__new__(Context)), operand.shape)
        return Compiled(run, operand.shape)

    def type_test(self, operator: str, left: Compiled, name: str, position: int) -> Compiled:
        """`is`, `as` and `ofType`, as operator or function."""
        resolve = types.resolve_loosely if self.options.filtering_as else types.resolve_type
        names = resolve(name, position)
        inner = left.run
        if operator == "is":

            def run_is(context: Context) -> Collection:
                item = single(inner(context), "is")
                return [] if item is None else [types.is_of(item, names)]

            return Compiled(run_is, shape.system("Boolean"))
        if self.options.strict and operator == "as" and not shape.may_be(left.shape, names):
            raise InvalidExpression(f"No value here can be a {name}", position=position)
        one = operator != "ofType" and not self.options.filtering_as

        def run(context: Context) -> Collection:
            items = inner(context)
            if one:
                single(items, "as")
            return [item for item in items if types.is_cast(item, names)]

        return Compiled(run, Shape(frozenset(names), left.shape.many, left.shape.ordered))

    def call(self, tree: Call, left: Compiled) -> Compiled:
        """Compile a function on its input."""
        if tree.name in _TYPE_FUNCTIONS:
            if len(tree.arguments) != 1:
                raise InvalidExpression(f"{tree.name}() takes a type", position=tree.position)
            name = type_argument(tree.arguments[0], tree.position)
            return self.type_test(tree.name, left, name, tree.position)
        if tree.name == "sort":
            return self.sort(tree, left)
        function = functions().get(tree.name)
        if function is None:
            raise InvalidExpression(f"There is no function {tree.name}()", position=tree.position)
        if not function.arguments_min <= len(tree.arguments) <= function.arguments_max:
            raise InvalidExpression(
                f"{tree.name}() does not take {len(tree.arguments)} arguments", position=tree.position
            )
        if function.ordered_input:
            self.need_order(left, f"{tree.name}()", tree.position)
        return self.lazy(tree, function, left) if function.lazy else self.eager(tree, function, left)

    def eager(self, tree: Call, function: Function, left: Compiled) -> Compiled:
        """A function whose arguments are evaluated where it stands."""
        inner, apply = left.run, function.run
        arguments = [self.scoped(argument).run for argument in tree.arguments]
        match arguments:
            case []:

                def run(context: Context) -> Collection:
                    return apply(context, inner(context))
            case [only]:

                def run(context: Context) -> Collection:
                    return apply(context, inner(context), only(context))
            case _:

                def run(context: Context) -> Collection:
                    return apply(context, inner(context), *(argument(context) for argument in arguments))

        return Compiled(placed(run, tree), self.result(tree, function, left))

    def lazy(self, tree: Call, function: Function, left: Compiled) -> Compiled:
        """A function that evaluates its arguments for each item of its input."""
        inner, apply = left.run, function.run
        outer, self.here = (
            self.here,
            Shape(left.shape.types, many=tree.name == "iif", ordered=left.shape.ordered),
        )
        if tree.name in ("repeat", "repeatAll"):
            self.here = Shape(None, many=False)
        try:
            compiled = [self.scoped(argument) for argument in tree.arguments]
        finally:
            self.here = outer
        if tree.name == "iif" and (compiled[0].shape.types or frozenset()) & {
            "System.Integer",
            "System.String",
        }:
            raise InvalidExpression("iif() needs a Boolean criterion", position=tree.position)
        arguments = [one.run for one in compiled]

        def run(context: Context) -> Collection:
            return apply(context, inner(context), *arguments)

        if tree.name == "select":
            return Compiled(placed(run, tree), Shape(compiled[0].shape.types, ordered=left.shape.ordered))
        return Compiled(placed(run, tree), self.result(tree, function, left))

    def result(self, tree: Call, function: Function, left: Compiled) -> Shape:
        """Return the shape of a function's answer."""
        if function.result == SAME:
            many = left.shape.many and tree.name not in ("first", "last", "single")
            return Shape(left.shape.types, many, left.shape.ordered)
        if function.result == "Extension":
            return shape.of_type("Extension", many=True)
        if function.result:
            return Shape(frozenset({f"System.{function.result}"}), function.many)
        return Shape(None, True, ordered=tree.name not in ("children", "descendants"))

    def sort(self, tree: Call, left: Compiled) -> Compiled:
        """Sort by criteria; a minus sign before a criterion, or `desc` after it, turns the order."""
        outer, self.here = self.here, Shape(left.shape.types, many=False)
        criteria: list[tuple[Evaluate, bool]] = []
        try:
            for argument in tree.arguments:
                match argument:
                    case Descending(operand=operand) | Sign(operator="-", operand=operand):
                        criteria.append((self.scoped(operand).run, True))
                    case _:
                        criteria.append((self.scoped(argument).run, False))
        finally:
            self.here = outer
        criteria = criteria or [(lambda context: context.focus, False)]
        inner = left.run
        return Compiled(
            placed(lambda context: sort_by(context, inner(context), criteria), tree),
            Shape(left.shape.types, left.shape.many),
        )

    def binary(self, tree: Binary) -> Compiled:
        """Compile an operator of two operands."""
        left, right = self.scoped(tree.left), self.scoped(tree.right)
        match tree.operator:
            case "and" | "or" | "xor" | "implies":
                return Compiled(operators.logic(tree.operator, left.run, right.run), shape.system("Boolean"))
            case "=" | "!=" | "~" | "!~":
                return Compiled(
                    operators.equality(tree.operator, left.run, right.run), shape.system("Boolean")
                )
            case "<" | ">" | "<=" | ">=":
                run = placed(operators.inequality(tree.operator, left.run, right.run), tree)
                return Compiled(run, shape.system("Boolean"))
            case "in" | "contains":
                inner, outer = (left, right) if tree.operator == "in" else (right, left)
                return Compiled(operators.membership(inner.run, outer.run), shape.system("Boolean"))
            case "|":
                known = left.shape.types is not None and right.shape.types is not None
                both_types = (left.shape.types or frozenset()) | (right.shape.types or frozenset())
                return Compiled(operators.union(left.run, right.run), Shape(both_types if known else None))
            case "&":
                return Compiled(operators.concatenation(left.run, right.run), shape.system("String"))
            case _:
                run = placed(operators.arithmetic(tree.operator, left.run, right.run), tree)
                return Compiled(run, Shape(None, many=False))
