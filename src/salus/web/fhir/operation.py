"""What an operation is: one file in `operations/` defines `OPERATION`, and `operations_found` finds it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from functools import cache

import msgspec

from salus.core.access import Caller
from salus.web.fhir import operations
from salus.web.fhir.answer import Answer
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services

Run = Callable[[Services, FhirRequest, Caller], Awaitable[Answer]]


class Operation(msgspec.Struct, frozen=True):
    """One operation, e.g. $everything.

    Args:
        name: without the dollar sign.
        definition: canonical of its OperationDefinition.
        system, types, instances: where it may be called: at the base; types and instances of which
            resource types, "*" for every one.
        methods: GET and POST.
        run: does it.
        documentation: one sentence for the CapabilityStatement.
    """

    name: str
    definition: str
    run: Run
    documentation: str
    system: bool = False
    types: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET", "POST")

    def is_on(self, kind: str, *, instance: bool) -> bool:
        """Return whether it may be called on a resource type, or on an instance of it."""
        where = self.instances if instance else self.types
        return "*" in where or kind in where


@cache
def operations_found() -> dict[str, Operation]:
    """Return every operation of the folder, by name, in sorted order."""
    names = sorted(module.name for module in pkgutil.iter_modules(operations.__path__))
    modules = (importlib.import_module(f"{operations.__name__}.{name}") for name in names)
    found = [module.OPERATION for module in modules if hasattr(module, "OPERATION")]
    return {operation.name: operation for operation in found}
