"""From tokens to a tree, by precedence (FHIRPath N1, section 6.8 and appendix B)."""

from __future__ import annotations

from decimal import Decimal
from typing import NoReturn

from salus.core.errors import InvalidExpression
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
    children_of,
)
from salus.standards.fhir.fhirpath.temporal import parse_temporal
from salus.standards.fhir.fhirpath.tokens import Token, tokens
from salus.standards.fhir.fhirpath.values import CALENDAR_UNITS, Long, Quantity

DEPTH_MAX = 40
HEIGHT_MAX = 200

_PRECEDENCE = {
    "implies": 1,
    **dict.fromkeys(("or", "xor"), 2),
    "and": 3,
    **dict.fromkeys(("in", "contains"), 4),
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys(("<", ">", "<=", ">="), 6),
    "|": 7,
    **dict.fromkeys(("is", "as"), 8),
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
}
_SIGN_PRECEDENCE = 11
_NAMES_AMONG_WORDS = frozenset({"as", "is", "contains", "in"})
_RESERVED = frozenset({"and", "or", "xor", "implies", "div", "mod", "true", "false"})
_VARIABLES = frozenset({"$this", "$index", "$total"})


class _Parser:
    """A cursor over the tokens; each method reads one rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def is_symbol(self, text: str) -> bool:
        return self.token.kind == "symbol" and self.token.text == text

    def expect(self, text: str) -> None:
        if not self.is_symbol(text):
            self.refuse(f"Expected {text!r}")
        self.at += 1

    def refuse(self, message: str) -> NoReturn:
        found = self.token.text[:20] or "the end of the expression"
        raise InvalidExpression(f"{message}, found {found!r}", position=self.token.position)

    def expression(self, precedence: int = 1) -> Syntax:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            self.refuse(f"The expression is nested more than {DEPTH_MAX} levels deep")
        left = self.signed()
        while True:
            token = self.token
            power = _PRECEDENCE.get(token.text, 0) if token.kind in ("name", "symbol") else 0
            if power < precedence:
                break
            self.at += 1
            if token.text in ("is", "as"):
                left = TypeTest(token.text, left, self.type_name(), token.position)
            else:
                left = Binary(token.text, left, self.expression(power + 1), token.position)
        self.depth -= 1
        return left

    def signed(self) -> Syntax:
        token = self.token
        if token.kind == "symbol" and token.text in "+-":
            self.at += 1
            return Sign(token.text, self.expression(_SIGN_PRECEDENCE), token.position)
        return self.path()

    def path(self) -> Syntax:
        left = self.term()
        while True:
            if self.is_symbol("."):
                self.at += 1
                left = Chain(left, self.step())
            elif self.is_symbol("["):
                position = self.take().position
                left = Index(left, self.expression(), position)
                self.expect("]")
            else:
                return left

    def step(self) -> Syntax:
        token = self.token
        if token.kind == "variable":
            return self.variable()
        if token.kind not in ("name", "quoted"):
            self.refuse("Expected a name after '.'")
        return self.named()

    def variable(self) -> Syntax:
        token = self.take()
        if token.text not in _VARIABLES:
            raise InvalidExpression(f"Unknown variable {token.text}", position=token.position)
        return Variable(token.text, token.position)

    def named(self) -> Syntax:
        token = self.take()
        if self.is_symbol("(") and token.kind == "name":
            return Call(token.text, self.arguments(token.text), token.position)
        return Member(token.text, token.position)

    def arguments(self, function: str) -> tuple[Syntax, ...]:
        self.expect("(")
        found: list[Syntax] = []
        while not self.is_symbol(")"):
            if found:
                self.expect(",")
            argument = self.expression()
            if function == "sort" and self.token.kind == "name" and self.token.text in ("asc", "desc"):
                argument = Descending(argument) if self.take().text == "desc" else argument
            found.append(argument)
        self.at += 1
        return tuple(found)

    def term(self) -> Syntax:
        token = self.token
        match token.kind:
            case "string":
                self.at += 1
                return Literal(token.text)
            case "number":
                return self.number()
            case "long":
                self.at += 1
                return Literal(Long(int(token.text[:-1])))
            case "temporal":
                self.at += 1
                return Literal(_temporal(token))
            case "constant":
                self.at += 1
                return Constant(token.text, token.position)
            case "variable":
                return self.variable()
            case "name":
                return self.word()
            case "quoted":
                return self.named()
            case _:
                return self.bracketed()

    def word(self) -> Syntax:
        token = self.token
        if token.text in ("true", "false"):
            self.at += 1
            return Literal(token.text == "true")
        if token.text in _RESERVED and token.text not in _NAMES_AMONG_WORDS:
            self.refuse("Expected a value")
        return self.named()

    def bracketed(self) -> Syntax:
        if self.is_symbol("{"):
            self.at += 1
            self.expect("}")
            return Nothing()
        if not self.is_symbol("("):
            self.refuse("Expected a value")
        self.at += 1
        inner = self.expression()
        self.expect(")")
        return inner

    def number(self) -> Syntax:
        text = self.take().text
        value: int | Decimal = Decimal(text) if "." in text else int(text)
        following = self.token
        if following.kind == "string":
            self.at += 1
            return Literal(Quantity(Decimal(value), following.text))
        if following.kind == "name" and following.text in CALENDAR_UNITS:
            self.at += 1
            return Literal(Quantity(Decimal(value), following.text, calendar=True))
        return Literal(value)

    def type_name(self) -> str:
        found = [self.type_part()]
        while self.is_symbol("."):
            following = self.tokens[self.at + 1]
            after = self.tokens[self.at + 2] if following.kind != "end" else following
            if len(found) == 2 or (after.kind == "symbol" and after.text == "("):
                break
            self.at += 1
            found.append(self.type_part())
        return ".".join(found)

    def type_part(self) -> str:
        if self.token.kind not in ("name", "quoted"):
            self.refuse("Expected a type name")
        return self.take().text


def _temporal(token: Token) -> object:
    value = parse_temporal(token.text[1:])
    if value is None:
        raise InvalidExpression(f"{token.text} is no date or time of the calendar", position=token.position)
    return value


def _height(tree: Syntax) -> int:
    """Return the height of a tree without recursion, so that no text can exhaust the stack."""
    height, level = 0, [tree]
    while level:
        height += 1
        level = [child for parent in level for child in children_of(parent)]
    return height


def parse(text: str) -> Syntax:
    """Return the tree of an expression.

    Raises:
        InvalidExpression: a syntax error, or an expression longer or deeper than the limits.
    """
    parser = _Parser(text)
    tree = parser.expression()
    if parser.token.kind != "end":
        parser.refuse("Expected the end of the expression")
    if _height(tree) > HEIGHT_MAX:
        raise InvalidExpression(f"The expression has more than {HEIGHT_MAX} steps in a row; shorten it")
    return tree
