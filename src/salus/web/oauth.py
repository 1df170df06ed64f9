"""What the addresses of OAuth share: forms are read strictly, errors are those of RFC 6749, 5.2."""

from __future__ import annotations

from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.errors import MalformedContent
from salus.web.plain_text import is_plain

FORM = "application/x-www-form-urlencoded"
FORM_BYTES_MAX = 32 * 1024
FIELDS_MAX = 20
NOT_KEPT = {"cache-control": "no-store", "pragma": "no-cache"}


class OAuthError(msgspec.Struct, frozen=True):
    """An error of RFC 6749, 5.2."""

    error: str
    error_description: str


async def read_form(request: Request) -> dict[str, str]:
    """Return the parameters of a form.

    Raises:
        MalformedContent: it is none, is too long, or gives a parameter twice.
    """
    if request.url.query:
        raise MalformedContent("send the parameters in the body; a query may end up in a log")
    pairs = await read_pairs(request, fields_max=FIELDS_MAX)
    if len(dict(pairs)) != len(pairs):
        raise MalformedContent("a parameter is given twice")
    return dict(pairs)


async def read_pairs(request: Request, *, fields_max: int) -> list[tuple[str, str]]:
    """Return the parameters of a form in their order.

    Raises:
        MalformedContent: it is none, or too long.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        raise MalformedContent(f"send a form ({FORM})")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES_MAX:
            raise MalformedContent(f"the form is longer than {FORM_BYTES_MAX} bytes")
    return pairs_of(bytes(body), fields_max=fields_max)


def pairs_of(text: bytes, *, fields_max: int) -> list[tuple[str, str]]:
    """Return the parameters of a form or query in their order.

    Raises:
        MalformedContent: it cannot be read, or has too many.
    """
    try:
        pairs = parse_qsl(
            text.decode("utf-8"), keep_blank_values=True, max_num_fields=fields_max, strict_parsing=True
        )
    except ValueError as error:
        raise MalformedContent("the form cannot be read") from error
    if not all(is_plain(part) for pair in pairs for part in pair):
        raise MalformedContent("the form holds a control character, which no text has")
    return pairs


def oauth_error(error: str, description: str, status: int) -> Response:
    """Return the answer that a request was refused."""
    return JSONResponse(msgspec.structs.asdict(OAuthError(error, description)), status, headers=NOT_KEPT)
