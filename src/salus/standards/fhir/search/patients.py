"""Which patients a resource is about, and which it names (CompartmentDefinition/patient of R4).

The compartment definition leaves out types that are about a patient all the same (Task, Device, Bundle,
Binary) and elements where a patient may stand (Observation.focus, an extension). Whoever is named anywhere is
told of every use, so that no resource leaves without its patients knowing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from salus.core.identifiers import is_fhir_id
from salus.standards.fhir.model import compartments
from salus.standards.fhir.search.parameters import parameters_of
from salus.standards.fhir.search.paths import TypedPath, values_at
from salus.standards.fhir.search.references import parse_literal
from salus.standards.fhir.search.values import items_of

COLLECTIONS = frozenset({"Bundle"})
"""What holds copies of others' resources is about all of them, and in nobody's compartment."""
_PERSONS = frozenset({"Patient", "Person", "RelatedPerson"})
"""Their identifiers are a patient's where a Patient of the node has the same."""
_FIRST = ("subject", "patient", "individual", "beneficiary")
_SUBJECTS = ("subject", "patient", "for")
"""Elements that name the patient of a type outside the compartment definition."""
_NAMED = {
    name: re.compile(rf"(?:^|/){name}/([A-Za-z0-9\-.]{{1,64}})(?=$|[/#?|])", re.ASCII)
    for name in ("Patient", "Binary")
}


@cache
def compartment_paths(type_name: str) -> tuple[TypedPath, ...]:
    """Return where a type's resources name the patients they are about, the subject first."""
    known = parameters_of(type_name)
    codes = compartments()["Patient"].get(type_name, ())
    order = sorted(codes, key=lambda code: _FIRST.index(code) if code in _FIRST else len(_FIRST))
    paths = (path for code in order if code in known for path in known[code].paths)
    return tuple({path.slot: path for path in paths if path.type == "Reference"}.values())


def patients_about(
    resource: dict[str, Any], type_name: str, references: Sequence[str], subjects: Sequence[Any]
) -> tuple[str, ...]:
    """Return the patients a resource is about, the subject first.

    Beyond the definition: the subject of a type that it leaves out, and who is the only one named.

    Args:
        resource: as parsed.
        type_name: its type.
        references: all its literals.
        subjects: its `subjects_of`.
    """
    if type_name in COLLECTIONS:
        return ()
    found: dict[str, None] = {}
    identity = resource.get("id")
    if type_name == "Patient" and isinstance(identity, str) and is_fhir_id(identity):
        found[identity] = None
    for reference in subjects:
        literal = reference.get("reference") if isinstance(reference, dict) else None
        if isinstance(literal, str):
            parsed = parse_literal(literal)
            if parsed.type == "Patient" and not parsed.address:
                found[parsed.id] = None
    if not found:
        named = dict.fromkeys(_relative(references))
        return tuple(named) if len(named) == 1 else ()
    return tuple(found)


def subjects_of(resource: dict[str, Any], type_name: str) -> Iterator[Any]:
    """Yield what stands where a type's resources name the patients they are about."""
    paths = compartment_paths(type_name)
    if not paths and type_name != "Patient":
        for key in _SUBJECTS:
            value = resource.get(key)
            yield from value if isinstance(value, list) else (value,)
    for path in paths:
        yield from values_at(path, resource)


def patients_named(resource: dict[str, Any], type_name: str, references: Sequence[str]) -> tuple[str, ...]:
    """Return every patient a resource names, whatever the element; in a collection also those it holds."""
    if type_name in COLLECTIONS:
        return tuple(dict.fromkeys(_held(resource)))
    return tuple(dict.fromkeys(_relative(references)))


def identifiers_named(
    resource: dict[str, Any], type_name: str, subjects: Iterable[Any]
) -> tuple[tuple[str, str], ...]:
    """Return (system, value) of the identifiers that say, without an id, which patient is meant.

    Those of logical references (R4 references.html#logical) among the `subjects`; of persons and logical
    references that are contained or held in a collection; and a Person's or RelatedPerson's own.
    """
    found = [
        subject["identifier"] for subject in subjects if type(subject) is dict and "identifier" in subject
    ]
    if type_name in COLLECTIONS or (type_name in _PERSONS and type_name != "Patient"):
        found += _identifiers(resource)
    elif "contained" in resource:
        found += _identifiers(resource["contained"])
    return tuple(dict.fromkeys(pair for pair in map(_system_value, found) if pair)) if found else ()


def _identifiers(held: Any) -> Iterator[Any]:
    """Yield each person's identifiers and each element that is one identifier, as in a logical reference."""
    stack = [held]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            identifier = current.get("identifier")
            if isinstance(identifier, dict):
                yield identifier
            elif current.get("resourceType") in _PERSONS:
                yield from items_of(identifier)
            stack.extend(current.values())
        elif isinstance(current, list):
            stack.extend(current)


def _system_value(identifier: Any) -> tuple[str, str] | None:
    if not isinstance(identifier, dict):
        return None
    system, value = identifier.get("system"), identifier.get("value")
    if not (isinstance(system, str) and isinstance(value, str) and system and value):
        return None
    return system, value


def binaries_named(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the Binary resources that addresses of attachments lead to, on whatever server."""
    return tuple(dict.fromkeys(_ids(addresses, "Binary")))


def _relative(references: Iterable[str]) -> Iterator[str]:
    """Yield the patients of this node; an absolute reference to it was made relative before."""
    return _ids((text for text in references if "://" not in text), "Patient")


def _held(bundle: dict[str, Any]) -> Iterator[str]:
    """Yield the patients of a collection: it is kept as it came, with addresses of any server."""
    stack: list[Any] = [bundle]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            identity = current.get("id")
            if current.get("resourceType") == "Patient" and isinstance(identity, str):
                yield identity
            stack.extend(value for key, value in current.items() if key != "contained")
            for inner in items_of(current.get("contained")):  # its id is no id of this node
                stack.extend(inner.values() if isinstance(inner, dict) else ())
        elif isinstance(current, list):
            stack.extend(current)
        elif isinstance(current, str):
            yield from _ids((current,), "Patient")


def _ids(texts: Iterable[str], type_name: str) -> Iterator[str]:
    slash = f"{type_name}/"
    for text in texts:
        if slash in text:
            match = _NAMED[type_name].search(text)
            if match is not None:
                yield match[1]
