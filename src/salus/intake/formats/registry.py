"""Which formats there are: every module of this folder that defines `FORMAT`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from salus.intake import formats as folder
from salus.intake.formats.format import Format

HEAD_BYTES = 1 << 16
"""As many bytes of the beginning of a file tell its format."""


@cache
def formats() -> tuple[Format, ...]:
    """Return every format of this folder, in sorted order of the module's name."""
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    modules = (importlib.import_module(f"{folder.__name__}.{name}") for name in names)
    return tuple(module.FORMAT for module in modules if hasattr(module, "FORMAT"))


def find(name: str, head: bytes) -> Format | None:
    """Return the format of a file by its suffix (".gz" does not count), else by its first bytes.

    Args:
        name: the file's name, "-" for standard input.
        head: its first bytes, uncompressed (64 KiB or all).
    """
    bare = name.lower().removesuffix(".gz")
    named = [candidate for candidate in formats() if bare.endswith(candidate.suffixes)]
    if named:  # several formats are XML: the one that knows it by its beginning, else the last, FHIR's
        return next((candidate for candidate in named if candidate.recognises(head)), named[-1])
    return next((candidate for candidate in formats() if candidate.recognises(head)), None)


def translating(body: bytes) -> Format | None:
    """Return the format that brings these bytes into FHIR, None for what is FHIR or of no known format."""
    head = body[:HEAD_BYTES]
    found = next((candidate for candidate in formats() if candidate.recognises(head)), None)
    return found if found is not None and found.translate is not None else None


def of_media(media: str) -> Format:
    """Return the format whose units are called so (`Unit.media`)."""
    return next(candidate for candidate in formats() if candidate.media == media)
