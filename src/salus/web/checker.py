"""`/verify.html` and `/verify.py`: the programs of `verifier/` by which anybody checks a report of accesses.

A citizen takes them from another member of the federation than the one they check (docs/ledger.md). They use
nothing of this package; an installed node carries them as they stand in the repository (pyproject.toml).
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from starlette.responses import Response

from salus.web.addresses import find
from salus.web.services import Face, Receive, Scope, Send

PROGRAMS = {"/verify.html": "text/html; charset=utf-8", "/verify.py": "text/x-python; charset=utf-8"}
ADDRESSES = {path: {"GET": path} for path in PROGRAMS}
# The page runs apart from the node's own pages: with no cookie of theirs, and no way out.
POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": POLICY, "cache-control": "max-age=3600"}
_CHECKOUT = Path(__file__).parents[3]


def face() -> Face:
    """Return the door of the two programs, open to anyone."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        path, _ = find(ADDRESSES, scope["method"], scope["path"])
        await _program(path)(scope, receive, send)

    return Face(tuple(PROGRAMS), application)


@cache
def _program(path: str) -> Response:
    return Response(program(path), media_type=PROGRAMS[path], headers=HEADERS)


def program(path: str) -> bytes:
    """Return a program's bytes: the package's own, or in a checkout those of the repository."""
    packaged = resources.files("salus").joinpath("verifier", path.lstrip("/"))
    return packaged.read_bytes() if packaged.is_file() else (_CHECKOUT / "verifier" / path[1:]).read_bytes()
