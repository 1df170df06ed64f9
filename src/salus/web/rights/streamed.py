"""An answer that leaves in pieces, of which the first is known before it begins."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

from starlette.responses import Response

from salus.web.services import Receive, Scope, Send


class Streamed(Response):
    """Sends `first` and then the rest, one piece at a time as the reader takes them.

    A reader who goes away ends the work behind it at once. When that work fails the answer breaks off, so
    that nobody takes a part for the whole.
    """

    def __init__(
        self, first: bytes, rest: AsyncIterator[bytes], *, media_type: str, headers: Mapping[str, str]
    ) -> None:
        """Take the pieces and what the headers say."""
        super().__init__(b"", media_type=media_type, headers=dict(headers))
        del self.headers["content-length"]
        assert isinstance(rest, AsyncGenerator)
        self._first, self._rest = first, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        async with aclosing(self._rest) as rest:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            async for piece in rest:
                if piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
