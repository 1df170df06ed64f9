"""Cookies of the portal: out of reach of scripts and, on https, of other hosts (RFC 6265bis)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from salus.web.services import Services

HOST_PREFIX = "__Host-"
"""With it a browser takes a cookie from this very host over https only, and for all of its paths."""


def cookie_name(services: Services, name: str) -> str:
    """Return what the cookie is called at this node: with the prefix wherever browsers reach it by https."""
    return f"{HOST_PREFIX}{name}" if _is_secure(services) else name


def cookie(services: Services, request: Request, name: str) -> str:
    """Return what a browser keeps under the name, "" when it keeps nothing."""
    return request.cookies.get(cookie_name(services, name), "")


def keep_cookie(services: Services, response: Response, name: str, value: str, *, seconds: int) -> None:
    """Let the browser keep a value."""
    response.set_cookie(
        cookie_name(services, name),
        value,
        max_age=seconds,
        path="/",
        secure=_is_secure(services),
        httponly=True,
        samesite="lax",
    )


def drop_cookie(services: Services, response: Response, name: str) -> None:
    """Let the browser forget it."""
    response.delete_cookie(
        cookie_name(services, name), path="/", secure=_is_secure(services), httponly=True, samesite="lax"
    )


def _is_secure(services: Services) -> bool:
    return services.base_url.startswith("https:")
