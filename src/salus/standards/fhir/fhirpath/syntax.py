"""The tree of a parsed expression (FHIRPath N1, section 12 and appendix B)."""

from __future__ import annotations

import msgspec


class Literal(msgspec.Struct, frozen=True):
    """A value written in the text: str, bool, int, Long, Decimal, Temporal or Quantity."""

    value: object


class Nothing(msgspec.Struct, frozen=True):
    """The empty collection, `{}`."""


class Variable(msgspec.Struct, frozen=True):
    """One of `$this`, `$index` and `$total`."""

    name: str
    position: int


class Constant(msgspec.Struct, frozen=True):
    """An external constant, `%name`."""

    name: str
    position: int


class Member(msgspec.Struct, frozen=True):
    """A step to the children of that name, or at the start of a path possibly a type's name."""

    name: str
    position: int


class Call(msgspec.Struct, frozen=True):
    """A function with its arguments."""

    name: str
    arguments: tuple[Syntax, ...]
    position: int


class Chain(msgspec.Struct, frozen=True):
    """`left.right`."""

    left: Syntax
    right: Syntax


class Index(msgspec.Struct, frozen=True):
    """`left[index]`."""

    left: Syntax
    index: Syntax
    position: int


class Sign(msgspec.Struct, frozen=True):
    """Unary `+` or `-`."""

    operator: str
    operand: Syntax
    position: int


class Binary(msgspec.Struct, frozen=True):
    """Two operands and an operator."""

    operator: str
    left: Syntax
    right: Syntax
    position: int


class TypeTest(msgspec.Struct, frozen=True):
    """`operand is type` or `operand as type`."""

    operator: str
    operand: Syntax
    type_name: str
    position: int


class Descending(msgspec.Struct, frozen=True):
    """An argument of sort() marked `desc`."""

    operand: Syntax


Syntax = (
    Literal
    | Nothing
    | Variable
    | Constant
    | Member
    | Call
    | Chain
    | Index
    | Sign
    | Binary
    | TypeTest
    | Descending
)


def children_of(tree: Syntax) -> tuple[Syntax, ...]:
    """Return the parts of a tree, in the order of the text."""
    match tree:
        case Call(arguments=arguments):
            return arguments
        case Chain(left=left, right=right) | Binary(left=left, right=right):
            return (left, right)
        case Index(left=left, index=index):
            return (left, index)
        case Sign(operand=operand) | TypeTest(operand=operand) | Descending(operand=operand):
            return (operand,)
        case _:
            return ()
