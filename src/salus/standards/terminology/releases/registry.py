"""Finds the kinds of releases."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from salus.core.errors import NotFound, UnsupportedMedia
from salus.standards.terminology.releases import loaders as folder
from salus.standards.terminology.releases.release import Files, Loader


@cache
def loaders() -> dict[str, Loader]:
    """Return every kind of release by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    found = [import_module(f"{folder.__name__}.{name}").LOADER for name in names]
    return {one.name: one for one in found}


def loader_for(files: Files, name: str = "") -> Loader:
    """Return the kind of release that files are.

    Raises:
        NotFound: the named kind does not exist.
        UnsupportedMedia: the files are of no kind that is known.
    """
    known = loaders()
    if name:
        if name not in known:
            raise NotFound(f"{name[:40]!a} is no kind of release; choose one of {', '.join(known)}.")
        return known[name]
    for one in known.values():
        if one.recognises(files):
            return one
    raise UnsupportedMedia(
        f"These files are no release that can be read: {'; '.join(one.title for one in known.values())}."
    )
