"""The addresses of a face as one table: it chooses who answers, and the OpenAPI description is made of it.

A template is a path with names in braces, each for one segment: ``/incidents/{number}/notes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from salus.core.errors import MethodNotAllowed, NotFound

_Handler = TypeVar("_Handler")


def find(
    table: Mapping[str, Mapping[str, _Handler]], method: str, path: str
) -> tuple[_Handler, dict[str, str]]:
    """Return who answers a request, and what stands for the names of the template.

    Args:
        table: handlers by template and method; of two templates that fit the first one counts.
        method: of the request; HEAD is answered as GET.
        path: of the request; one slash at its end means nothing.

    Raises:
        NotFound: no template fits.
        MethodNotAllowed: the address is not for this method.
    """
    segments = path.removesuffix("/").split("/")
    for template, handlers in table.items():
        parts = _parts(template.split("/"), segments)
        if parts is None:
            continue
        handler = handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise MethodNotAllowed(f"This address takes {' and '.join(handlers)} only.")
        return handler, parts
    raise NotFound(f"There is nothing at this address; see {', '.join(table)}.")


def _parts(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    parts = {}
    for wanted, found in zip(template, segments, strict=True):
        if wanted.startswith("{") and found:
            parts[wanted[1:-1]] = found
        elif wanted != found:
            return None
    return parts


def methods_of(table: Mapping[str, Mapping[str, object]]) -> dict[str, tuple[str, ...]]:
    """Return the methods of each template."""
    return {template: tuple(handlers) for template, handlers in table.items()}
