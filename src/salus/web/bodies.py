"""JSON bodies of the node's own doors, read into what they must be."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import Request

from salus.core.errors import InvalidSearch
from salus.web.plain_text import check_value

_Body = TypeVar("_Body", bound=msgspec.Struct)


async def read_body(request: Request, kind: type[_Body]) -> _Body:
    """Return the body of a request.

    Raises:
        InvalidSearch: it is no JSON, or not of this form, and the message says which member is wrong; or it
            holds control characters or moments that no record has (`web.plain_text`).
    """
    body = await request.body()
    try:
        read = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InvalidSearch(f"The body is not what this address takes: {error}.") from error
    check_value(read)
    return read
