"""Which formats there are: every module of this folder that defines `FORMAT`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from salus.intake import formats as folder
from salus.intake.formats.format import Format


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
    for candidate in formats():
        if bare.endswith(candidate.suffixes):
            return candidate
    return next((candidate for candidate in formats() if candidate.recognises(head)), None)
