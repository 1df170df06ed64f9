"""From text to tokens (FHIRPath N1, section 3 and the lexer rules of appendix B)."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from salus.core.errors import InvalidExpression

TEXT_LENGTH_MAX = 50_000
TOKEN_COUNT_MAX = 10_000
DIGITS_MAX = 100

Kind = Literal[
    "name", "quoted", "string", "number", "long", "temporal", "constant", "variable", "symbol", "end"
]

_SKIPPED = re.compile(r"(?:\s+|//[^\n\r]*|/\*.*?\*/)+", re.DOTALL)
_TOKEN = re.compile(
    r"""
    (?P<temporal>@(?:T\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?
        |\d{4}(?:-\d{2}(?:-\d{2})?)?(?:T(?:\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?(?:Z|[+-]\d{2}:\d{2})?)?)?))
    |(?P<long>\d+L\b)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<string>'(?:[^'\\]|\\.)*')
    |(?P<quoted>`(?:[^`\\]|\\.)*`)
    |(?P<constant>%(?:`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'|(?:vs|ext)-[A-Za-z0-9-]+|[A-Za-z_][A-Za-z0-9_]*))
    |(?P<variable>\$[A-Za-z]+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol><=|>=|!=|!~|[-+*/&|<>=~()\[\]{}.,])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED = {"`": "`", "'": "'", '"': '"', "\\": "\\", "/": "/", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Token(msgspec.Struct, frozen=True):
    """A word of the text; strings and quoted names come unescaped and without their quotes."""

    kind: Kind
    text: str
    position: int


def unescape(text: str, position: int) -> str:
    """Return the text with its escape sequences replaced.

    Raises:
        InvalidExpression: an escape sequence that the grammar does not know.
    """

    def replacement(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] == "u" and len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in _ESCAPED:
            raise InvalidExpression(f"Unknown escape sequence \\{code[:1]}", position=position)
        return _ESCAPED[code]

    return _ESCAPE.sub(replacement, text) if "\\" in text else text


def _token(match: re.Match[str]) -> Token:
    kind, text, position = match.lastgroup, match.group(), match.start()
    match kind:
        case "string" | "quoted":
            return Token(kind, unescape(text[1:-1], position), position)
        case "constant":
            name = text[1:]
            return Token(kind, unescape(name[1:-1], position) if name[0] in "`'" else name, position)
        case "long" | "number" if len(text) > DIGITS_MAX:
            raise InvalidExpression(f"A number has at most {DIGITS_MAX} digits", position=position)
        case "temporal" | "long" | "number" | "variable" | "name" | "symbol":
            return Token(kind, text, position)
        case _:
            raise AssertionError(kind)


def tokens(text: str) -> list[Token]:
    """Return the tokens of an expression, with an end token last.

    Raises:
        InvalidExpression: a character or an unfinished string or comment that begins no token.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise InvalidExpression(f"The expression is longer than {TEXT_LENGTH_MAX} characters; shorten it")
    found: list[Token] = []
    position = 0
    while True:
        skipped = _SKIPPED.match(text, position)
        position = skipped.end() if skipped else position
        if position >= len(text):
            break
        match = _TOKEN.match(text, position)
        if match is None or text.startswith("/*", position):
            raise InvalidExpression(f"Cannot read {text[position : position + 10]!r}", position=position)
        found.append(_token(match))
        position = match.end()
        if len(found) > TOKEN_COUNT_MAX:
            raise InvalidExpression(f"The expression has more than {TOKEN_COUNT_MAX} words; shorten it")
    found.append(Token("end", "", len(text)))
    return found
