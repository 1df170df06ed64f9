"""What an operation is: one file in `operations/` defines `OPERATION`, and `operations_found` finds it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Collection
from functools import cache

import msgspec

from salus.core.access import Caller
from salus.core.errors import MalformedContent
from salus.standards.fhir.query_string import Pairs
from salus.store.shares import beside
from salus.web.fhir import bodies, operations
from salus.web.fhir.answer import Answer
from salus.web.fhir.negotiation import body_format
from salus.web.fhir.request import FhirRequest, read_body, unknown
from salus.web.services import Services

Run = Callable[[Services, FhirRequest, Caller], Awaitable[Answer]]


class Operation(msgspec.Struct, frozen=True):
    """One operation, e.g. $everything.

    Args:
        name: without the dollar sign.
        definition: canonical of its OperationDefinition; {type} in it stands for the resource type.
        system, types, instances: where it may be called: at the base; types and instances of which
            resource types, "*" for every one.
        methods: GET and POST.
        run: does it.
        parameters: what may stand in its query; others are refused, for an answer that is not what was asked
            looks like it.
        may_ignore: with `Prefer: handling=lenient` others are left out (Bulk Data Access, kick-off request).
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
    parameters: tuple[str, ...] = ()
    may_ignore: bool = False

    def is_on(self, kind: str, *, instance: bool) -> bool:
        """Return whether it may be called on a resource type, or on an instance of it."""
        where = self.instances if instance else self.types
        return "*" in where or kind in where


async def pairs_of(services: Services, request: FhirRequest, known: Collection[str]) -> Pairs:
    """Return the parameters of the query and, by POST, of the Parameters in the body.

    Raises:
        MalformedContent, TooLarge: the body is no Parameters, or one of them has no simple value.
        NotSupported: one is not known.
    """
    if request.method != "POST" or request.header("content-length") == "0":
        return request.pairs
    body = await read_body(request)
    if not body:
        return request.pairs
    form = body_format(request.header("content-type"))
    sent, _ = await beside(len(body), bodies.parse, body, form, services.limits)
    if sent.get("resourceType") != "Parameters":
        raise MalformedContent("The body of this operation is a Parameters resource, or empty.")
    found = list(request.pairs)
    for one in sent.get("parameter", ()):
        values = [one[name] for name in one if name.startswith("value")] if isinstance(one, dict) else []
        if len(values) != 1 or not isinstance(values[0], str | int) or not isinstance(one.get("name"), str):
            raise MalformedContent("Each parameter of this operation has a name and one simple value.")
        found.append((one["name"], str(values[0])))
    strange = [name for name, _ in found if name not in known]
    if strange:
        raise unknown(strange, known)
    return tuple(found)


@cache
def operations_found() -> dict[str, Operation]:
    """Return every operation of the folder, by name, in sorted order."""
    names = sorted(module.name for module in pkgutil.iter_modules(operations.__path__))
    modules = (importlib.import_module(f"{operations.__name__}.{name}") for name in names)
    found = [module.OPERATION for module in modules if hasattr(module, "OPERATION")]
    return {operation.name: operation for operation in found}
