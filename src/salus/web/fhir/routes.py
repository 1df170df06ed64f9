"""Which interaction answers which address (http://hl7.org/fhir/R4/http.html#summary)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from salus.core.access import Caller
from salus.core.errors import MethodNotAllowed, NotFound
from salus.standards.fhir.model import resource_types
from salus.store.stored_types import MADE_HERE, TRAVELLING
from salus.web.fhir import (
    audit,
    batch,
    binary,
    create,
    delete,
    export,
    history,
    patch,
    read,
    search,
    update,
)
from salus.web.fhir.answer import Answer
from salus.web.fhir.operation import operations_found
from salus.web.fhir.request import FhirRequest, refuse_unknown, unknown
from salus.web.services import Services

Interaction = Callable[[Services, FhirRequest, Caller], Awaitable[Answer]]

# The shape of an address: T a resource type, i an id, v a version, $ an operation, / between segments.
ROUTES: Mapping[str, Mapping[str, Interaction]] = {
    "": {"POST": batch.process, "GET": search.of_system},
    "_history": {"GET": history.of_system},
    "$/x": {"GET": export.look, "DELETE": export.discard},
    "$/x/x": {"GET": export.download},
    "T": {
        "GET": search.of_type,
        "POST": create.create,
        "PUT": update.update,
        "PATCH": patch.patch,
        "DELETE": delete.delete,
    },
    "_search": {"POST": search.of_system},
    "T/_search": {"POST": search.of_type, "GET": search.of_type},
    "T/_history": {"GET": history.of_type},
    "T/i": {"GET": read.read, "PUT": update.update, "PATCH": patch.patch, "DELETE": delete.delete},
    "T/i/_history": {"GET": history.of_instance},
    "T/i/_history/v": {"GET": read.vread},
    "T/i/T": {"GET": search.in_compartment},
    "T/i/T/_search": {"POST": search.in_compartment},
}
# What a shape's parts are called in a template; a second T or x is another one.
NAMES = {
    "T": ("{type}", "{member}"),
    "i": ("{id}",),
    "v": ("{version}",),
    "$": ("$export",),
    "x": ("{job}", "{file}"),
}
# What may stand in the query of addresses that are no search and no condition; histories know theirs.
PARTS = ("_summary", "_elements")
PARAMETERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "POST"): (),
    ("T", "POST"): (),
    ("T/i", "GET"): PARTS,
    ("T/i", "PUT"): (),
    ("T/i", "PATCH"): (),
    ("T/i", "DELETE"): (),
    ("T/i/_history/v", "GET"): PARTS,
}
# Types with doors of their own. The audit is written by the gate only, and found by search only.
SPECIAL: Mapping[str, Mapping[tuple[str, str], Interaction]] = {
    "Binary": {
        ("T", "POST"): binary.create,
        ("T/i", "GET"): binary.read,
        ("T/i/_history/v", "GET"): binary.vread,
        ("T/i", "PUT"): binary.update,
    },
    "AuditEvent": {("T", "GET"): audit.search, ("T/_search", "POST"): audit.search},
}


def shape_of(segments: tuple[str, ...]) -> str:
    """Return the shape of an address, "?" for one that FHIR does not know."""
    if not segments:
        return ""
    start = segments[0]
    if start[0] == "$":
        return "/".join(["$", *["x"] * (len(segments) - 1)])
    if start[0] in "_m" and len(segments) == 1:
        return start
    if not start[0].isupper():
        return "?"
    rest = segments[1:]
    if not rest:
        return "T"
    if rest[0][0] in "_$":
        return "T/" + (rest[0] if rest[0][0] == "_" else "$") if len(rest) == 1 else "?"
    shape = "T/i"
    for place, segment in enumerate(rest[1:]):
        if segment[0] == "$":
            shape += "/$"
        elif segment[0] == "_":
            shape += "/" + segment
        else:
            shape += "/T" if place == 0 else "/v"
    return shape


def addresses(prefix: str) -> dict[str, tuple[str, ...]]:
    """Return the methods of every address, operations included, by path template below `prefix`."""
    found = {template(prefix, shape): tuple(methods) for shape, methods in ROUTES.items()}
    for operation in operations_found().values():
        places = [""] if operation.system else []
        places += [_type_in(kind) for kind in operation.types]
        places += [f"{_type_in(kind)}/{{id}}" for kind in operation.instances]
        found |= {f"{prefix}{place}/${operation.name}": operation.methods for place in places}
    return found


def template(prefix: str, shape: str) -> str:
    """Return a shape as a path template."""
    names = {part: iter(spelled) for part, spelled in NAMES.items()}
    parts = [next(names[part]) if part in names else part for part in shape.split("/") if part]
    return "/".join([prefix, *parts])


def _type_in(kind: str) -> str:
    return "/{type}" if kind == "*" else f"/{kind}"


def route(request: FhirRequest) -> Interaction:
    """Return the interaction of a request.

    Raises:
        NotFound: FHIR has no such address, or no such resource type or operation.
        MethodNotAllowed: the address exists, the method does not.
        NotSupported: a parameter is unknown, and the client or the operation does not ignore it.
    """
    method = "GET" if request.method == "HEAD" else request.method
    shape = shape_of(request.segments)
    if shape.startswith("T") and request.segments[0] not in resource_types():
        raise NotFound("There is no such resource type in FHIR R4; types are case-sensitive.")
    if shape in ("$", "T/$", "T/i/$"):
        return operation(request, method)
    if request.segments and request.segments[0] in TRAVELLING and method in ("GET", "DELETE", "PATCH"):
        raise NotFound(f"The node stores no {request.segments[0]}.")
    methods = ROUTES.get(shape)
    if methods is None:
        raise NotFound("There is nothing at this address.")
    if request.pairs and (shape, method) in PARAMETERS:
        refuse_unknown(request, PARAMETERS[shape, method])
    if request.segments and request.segments[0] in SPECIAL:
        special = SPECIAL[request.segments[0]].get((shape, method))
        if special is not None:
            return special
        if request.segments[0] in MADE_HERE:
            raise MethodNotAllowed("The audit is written by the gate, and read by AuditEvent?patient=ID.")
    found = methods.get(method)
    if found is None:
        raise MethodNotAllowed(f"This address takes {', '.join(methods)} only.")
    return found


def operation(request: FhirRequest, method: str) -> Interaction:
    """Return the operation of a request.

    Raises:
        NotFound: there is no such operation at this address.
        MethodNotAllowed: it is called by another method.
    """
    segments = request.segments
    found = operations_found().get(segments[-1][1:])
    kind = segments[0] if len(segments) > 1 else ""
    there = found is not None and (found.is_on(kind, instance=len(segments) == 3) if kind else found.system)
    if found is None or not there:
        raise NotFound("There is no such operation at this address; /metadata lists those there are.")
    if method not in found.methods:
        raise MethodNotAllowed(f"This operation takes {', '.join(found.methods)} only.")
    strange = [name for name, _ in request.pairs if name not in found.parameters]
    if strange and not (found.may_ignore and request.preference.lenient):
        raise unknown(strange, found.parameters)
    return found.run
