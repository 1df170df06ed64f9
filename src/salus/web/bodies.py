"""JSON bodies of the node's own doors, read into what they must be."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import Request

from salus.core.errors import InvalidSearch

_Body = TypeVar("_Body", bound=msgspec.Struct)


async def read_body(request: Request, kind: type[_Body]) -> _Body:
    """Return the body of a request.

    Raises:
        InvalidSearch: it is no JSON, or not of this form; the message says which member is wrong.
    """
    body = await request.body()
    if b"\\u0000" in body:  # JSON has no other way to write it, and no text of the database may hold it
        raise InvalidSearch("The body holds the character 0, which no text has.")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InvalidSearch(f"The body is not what this address takes: {error}.") from error
