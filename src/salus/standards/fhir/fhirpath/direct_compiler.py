"""From a tree to the closures of `direct`, for what rules and search parameters are made of."""

from __future__ import annotations

from typing import Any

import msgspec

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath import direct, types
from salus.standards.fhir.fhirpath import direct_functions as functions
from salus.standards.fhir.fhirpath.direct import (
    NOTHING,
    UNDECIDED,
    Direct,
    Item,
    Read,
    Undecided,
    listed,
    raise_undecided,
)
from salus.standards.fhir.fhirpath.direct_values import (
    constant,
    equality,
    kind,
    order,
    sum_of,
    traced,
    truth,
    union,
    written_strings,
)
from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.functions.fhir import reference_of, referenced_type
from salus.standards.fhir.fhirpath.navigate import is_a, is_primitive
from salus.standards.fhir.fhirpath.shape import ABSTRACT
from salus.standards.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Chain,
    Constant,
    Index,
    Literal,
    Member,
    Syntax,
    TypeTest,
    Variable,
)
from salus.standards.fhir.fhirpath.truth import both, either, follows, one_of
from salus.standards.fhir.model import ancestors, resource_types, type_definition

_LOGIC = {"and": both, "or": either, "xor": one_of, "implies": follows}
_UCUM = "http://unitsofmeasure.org"


class DirectCompiler:
    """Compiles a tree for `$this` of a known type; what it does not know becomes UNDECIDED.

    Attributes:
        here: type of `$this`.
        entry: type of the resource in `$this`, an entry of a Bundle, where that is known.
    """

    def __init__(self, root_type: str, *, filtering_as: bool) -> None:
        self.here = root_type
        self.root_type = root_type
        self.filtering_as = filtering_as
        self.entry = ""

    def inside(self, type_name: str, tree: Syntax) -> Direct:
        """Compile the argument of a function that runs for each item of a type."""
        outer, self.here = self.here, type_name
        try:
            return self.expression(tree)
        finally:
            self.here = outer

    def expression(self, tree: Syntax) -> Direct:
        """Compile an expression."""
        match tree:
            case Literal(value=value):
                return self.literal(value)
            case Constant(name="ucum"):
                return self.literal(_UCUM)
            case Constant(name="resource"):
                return self.resource()
            case Variable(name="$this"):
                return direct.this(self.here)
            case Member():
                return self.head(tree)
            case Call():
                return self.call(tree, direct.this(self.here), is_this=True)
            case Chain():
                return self.chain(tree)
            case Index(left=left, index=Literal(value=int() as at)):
                return functions.indexed(self.expression(left), at)
            case TypeTest():
                return self.type_test(tree.operator, tree.operand, tree.type_name)
            case Binary():
                return self.binary(tree)
            case _:
                return UNDECIDED

    def literal(self, value: object) -> Direct:
        """A value written in the text."""
        if isinstance(value, bool):
            name = "System.Boolean"
        elif isinstance(value, str):
            name = "System.String"
        elif type(value) is int:
            name = "System.Integer"
        else:
            return UNDECIDED
        return Direct((name,), lambda item, environment: [value], lambda item, environment: value)

    def resource(self) -> Direct:
        """`%resource`, where the type of the input tells the type of the resource."""
        name = self.root_type.partition(".")[0]
        if name not in resource_types():
            return UNDECIDED

        def one(item: Item, environment: Environment) -> Any:
            found = environment.resource
            if found is None or found.get("resourceType") != name:
                raise Undecided
            return found

        return Direct((name,), listed(one), one, None)

    def head(self, tree: Member) -> Direct:
        """A name at the start of a path."""
        name = tree.name
        if name[:1].isupper() and type_definition(name) is not None:
            return direct.this(self.here) if name in ancestors(self.here) else NOTHING
        return self.follow(direct.this(self.here), name, is_this=True)

    def follow(self, left: Direct, name: str, *, is_this: bool) -> Direct:
        """Children by name; the resource of an entry has the type that is known of it."""
        found = direct.follow(left, name, is_this=is_this)
        if self.entry and is_this and name == "resource" and found.type == "Resource":
            return msgspec.structs.replace(found, types=(self.entry,))
        return found

    def is_this(self, tree: Syntax) -> bool:
        """Return whether a tree means `$this`."""
        return (isinstance(tree, Variable) and tree.name == "$this") or (
            isinstance(tree, Member) and tree.name[:1].isupper() and tree.name in ancestors(self.here)
        )

    def chain(self, tree: Chain) -> Direct:
        """`left.right`."""
        match tree.right:
            case Call(name="ofType" | "as" as name, arguments=(argument,)):
                return self.cast(name, tree.left, argument)
            case Call(name="is", arguments=(Member(name=name),)):
                return self.type_test("is", tree.left, name)
            case Member(name=name):
                left = self.expression(tree.left)
                return self.follow(left, name, is_this=self.is_this(tree.left)) if left.type else UNDECIDED
            case Call() as call:
                left = self.expression(tree.left)
                is_this = self.is_this(tree.left)
                return UNDECIDED if left is UNDECIDED else self.call(call, left, is_this=is_this)
            case _:
                return UNDECIDED

    def cast(self, operator: str, operand: Syntax, argument: Syntax) -> Direct:
        """`as` and `ofType`, with the type's name."""
        if not isinstance(argument, Member):
            return UNDECIDED
        return self.type_test(operator, operand, argument.name)

    def type_test(self, operator: str, operand: Syntax, name: str) -> Direct:
        """`is`, `as` and `ofType`."""
        names = types.resolve_loosely(name) if self.filtering_as else types.resolve_type(name)
        if operator == "is":
            return self.type_question(operand, names)
        match operand:
            case Member(name=element):
                left, is_this = direct.this(self.here), True
            case Chain(left=above, right=Member(name=element)):
                left, is_this = self.expression(above), self.is_this(above)
            case _:
                return UNDECIDED
        if left is UNDECIDED or (operator == "as" and left.one is None and not self.filtering_as):
            return UNDECIDED
        return direct.cast_choice(left, element, names, is_this=is_this)

    def type_question(self, operand: Syntax, names: tuple[str, ...]) -> Direct:
        """`is`, of a resource inside of another, or of what a Reference says it refers to."""
        if isinstance(operand, Call) and operand.name == "resolve" and not operand.arguments:
            return self.reference_question(names)
        left = self.expression(operand)
        if self.entry and left.type == self.entry and left.one is not None:
            return constant(any(is_a(self.entry, name) for name in names))
        if left.type != "Resource" or left.one is None:
            return UNDECIDED
        one = left.one

        def read(item: Item, environment: Environment) -> bool | None:
            found = one(item, environment)
            return None if found is None else any(is_a(found["resourceType"], name) for name in names)

        return truth(read)

    def reference_question(self, names: tuple[str, ...]) -> Direct:
        """`resolve() is T` of a Reference, where its own text tells and stubs are wanted."""
        if self.here != "Reference":
            return UNDECIDED

        def read(item: Item, environment: Environment) -> bool:
            if not environment.reference_stubs or environment.resolve is not None:
                raise Undecided
            reference, stated = reference_of(item)
            named = referenced_type(reference)
            if not named or (stated and stated != named):
                raise Undecided
            return any(is_a(named, name) for name in names)

        return truth(read)

    def call(self, tree: Call, left: Direct, *, is_this: bool) -> Direct:
        """A function on its input."""
        match tree.name, tree.arguments:
            case "exists" | "empty", ():
                return functions.existence(left, negated=tree.name == "empty")
            case "exists", (criteria,):
                return functions.existence(self.where(left, criteria), negated=False)
            case "not", ():
                return functions.negation(left)
            case "count", ():
                return functions.count(left)
            case "where", (criteria,):
                return self.where(left, criteria)
            case "all", (criteria,):
                return self.all(left, criteria)
            case "first", ():
                return functions.indexed(left, 0)
            case "tail", ():
                return functions.tail(left)
            case "hasValue", () if is_this:
                has = is_primitive(self.here)
                return truth(lambda item, environment: has)
            case "hasValue", ():
                return functions.has_value(left)
            case "children", () if is_this:
                return Direct(("",), direct.values_of)
            case "isDistinct", ():
                return functions.is_distinct(left)
            case "select", (projection,):
                return self.select(left, projection)
            case "extension", (Literal(value=str() as url),):
                return functions.extension(left, url, is_this=is_this)
            case "trace", (Literal(), *_):
                return traced(left)
            case name, (argument,) if name in functions.STRING_TESTS:
                return functions.string_test(functions.STRING_TESTS[name], left, self.expression(argument))
            case _:
                return UNDECIDED

    def criteria(self, left: Direct, tree: Syntax) -> Read:
        """Compile a criterion to a reader of True, False or None."""
        if not left.type or left.type in ABSTRACT or left.type.startswith("System."):
            return raise_undecided
        if left.type == "Bundle.entry" and not self.entry:
            return self.criteria_of_entries(tree)
        found = self.inside(left.type, tree)
        return found.one if found.one is not None and kind(found.type) == "truth" else raise_undecided

    def criteria_of_entries(self, tree: Syntax) -> Read:
        """Compile a criterion for entries of a Bundle, anew for each type of resource that they hold."""
        filtering_as = self.filtering_as

        def for_type(name: str) -> Read:
            inner = DirectCompiler("Bundle.entry", filtering_as=filtering_as)
            inner.entry = name
            found = inner.expression(tree)
            return found.one if found.one is not None and kind(found.type) == "truth" else raise_undecided

        return direct.by_resource_type(for_type)

    def where(self, left: Direct, tree: Syntax) -> Direct:
        """`where(criteria)`."""
        if left is UNDECIDED:
            return UNDECIDED
        if left is NOTHING:
            return NOTHING
        many, holds = left.many, self.criteria(left, tree)

        def read(item: Item, environment: Environment) -> list[Any]:
            return [found for found in many(item, environment) if holds(found, environment)]

        def exists(item: Item, environment: Environment) -> bool:
            return any(holds(found, environment) for found in many(item, environment))

        if left.pairs is not None:
            return UNDECIDED
        one: Read | None = None
        if left.one is not None:
            above = left.one

            def one_read(item: Item, environment: Environment) -> Any:
                found = above(item, environment)
                return found if found is not None and holds(found, environment) else None

            one = one_read
        return Direct(left.types, read, one, exists)

    def all(self, left: Direct, tree: Syntax) -> Direct:
        """`all(criteria)`."""
        if left is UNDECIDED:
            return UNDECIDED
        many, holds = left.many, self.criteria(left, tree)
        return truth(lambda item, here: all(holds(found, here) for found in many(item, here)))

    def select(self, left: Direct, tree: Syntax) -> Direct:
        """`select(projection)`."""
        if not left.type or left.type in ABSTRACT or left is UNDECIDED:
            return UNDECIDED
        inner = self.inside(left.type, tree)
        if inner is UNDECIDED or inner.pairs is not None:
            return UNDECIDED
        many, project = left.many, inner.many

        def read(item: Item, environment: Environment) -> list[Any]:
            return [one for found in many(item, environment) for one in project(found, environment)]

        return Direct(inner.types, read)

    def binary(self, tree: Binary) -> Direct:
        """An operator of two operands."""
        if tree.operator in ("in", "contains"):
            return self.membership(tree)
        left = self.expression(tree.left)
        if left is UNDECIDED:
            return UNDECIDED
        right = self.expression(tree.right)
        match tree.operator:
            case "and" | "or" | "xor" | "implies":
                return self.logic(tree.operator, left, right)
            case "|":
                return union(left, right)
            case _ if right is UNDECIDED:
                return UNDECIDED
            case "=" | "!=":
                return equality(left, right, negated=tree.operator == "!=")
            case "<" | ">" | "<=" | ">=":
                return order(tree.operator, left, right)
            case "+" if left.type == right.type == "System.Integer":
                return sum_of(left, right)
            case _:
                return UNDECIDED

    def logic(self, operator: str, left: Direct, right: Direct) -> Direct:
        """`and`, `or`, `xor`, `implies`; the right side may be undecided and is read only when needed."""
        if left.one is None or kind(left.type) != "truth":
            return UNDECIDED
        if right is not UNDECIDED and (right.one is None or kind(right.type) != "truth"):
            right = UNDECIDED
        assert right.one is not None
        if left.always is not None and right.always is not None:
            joined = _LOGIC[operator](left.always, right.always)
            return UNDECIDED if joined is None else constant(joined)
        first, second = left.one, right.one
        join, decides = _LOGIC[operator], {"and": False, "or": True, "implies": False}.get(operator)
        shortcut = operator != "and"

        def read(item: Item, environment: Environment) -> bool | None:
            value = first(item, environment)
            if value is decides and value is not None:
                return shortcut
            return join(value, second(item, environment))

        return truth(read)

    def membership(self, tree: Binary) -> Direct:
        """`x in ('a' | 'b')` with strings written out."""
        inner, outer = (tree.left, tree.right) if tree.operator == "in" else (tree.right, tree.left)
        names = written_strings(outer)
        left = self.expression(inner)
        if names is None or left.one is None or kind(left.type) != "text":
            return UNDECIDED
        one = left.one

        def read(item: Item, environment: Environment) -> bool | None:
            value = one(item, environment)
            return None if value is None else value in names

        return truth(read)


def compile_direct(tree: Syntax, root_type: str, *, filtering_as: bool) -> Direct | None:
    """Return the fast form of an expression for a known type, None where there is none."""
    if not root_type or root_type in ABSTRACT or type_definition(root_type) is None or kind(root_type):
        return None
    try:
        found = DirectCompiler(root_type, filtering_as=filtering_as).expression(tree)
    except InvalidExpression:
        return None
    return None if found is UNDECIDED else found
