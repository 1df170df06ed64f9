"""Which kinds of documents there are: every module of this folder that defines `KIND`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from salus.primary import documents as folder
from salus.primary.composing.material import Material, Resource
from salus.primary.documents.kind import Kind


@cache
def kinds() -> dict[str, Kind]:
    """Return every kind by its name, in sorted order of the modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    modules = (importlib.import_module(f"{folder.__name__}.{name}") for name in names)
    found = [module.KIND for module in modules if hasattr(module, "KIND")]
    return {kind.name: kind for kind in found}


def kind_about(resource: Resource, material: Material) -> Kind | None:
    """Return the kind of document that there is about a resource, None where there is none."""
    return next(
        (
            kind
            for kind in kinds().values()
            if resource["resourceType"] in kind.types and kind.is_about(resource, material)
        ),
        None,
    )
