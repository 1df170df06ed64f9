"""What a resource names, and what of that it states or shows (docs/decisions/0010, 0027).

A name is "Type/id" of what may lie in somebody's record. It stands at the end of any text of the resource,
or of a piece of one between quotes, brackets, spaces or punctuation: a reference of any form, a link of a
narrative, a note. An absolute address counts by its end, whoever's it is. A Patient is named everywhere and
hides nothing; of a Binary only its security context counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.core.identifiers import is_fhir_id
from salus.standards.fhir.model import resource_types
from salus.standards.fhir.search.references import links_in
from salus.standards.fhir.search.values import items_of

IN_NO_RECORD = frozenset(
    {
        *("Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService", "Endpoint"),
        *("Medication", "MedicationKnowledge", "Substance", "Questionnaire", "CodeSystem", "ValueSet"),
        *("ConceptMap", "StructureDefinition", "SearchParameter", "ActivityDefinition", "PlanDefinition"),
    }
)
"""Types about nobody, whomever they name; the database knows the same (`salus_is_shared`)."""
WORD_LENGTH_MAX = 2000
"""A longer piece of a text is the content of an attachment."""
_ID_LENGTH_MAX = 64
_ENDS = re.escape("\"'<>()[]{},;:!|=& \t\r\n")
_WORDS = re.compile(f"[^{_ENDS}]+").findall
_NAMES = re.compile(
    rf"[{_ENDS}/](?=[A-Z])(?!(?:Patient|{'|'.join(sorted(IN_NO_RECORD))})/)"
    rf"([A-Za-z]+/[A-Za-z0-9\-.]{{1,{_ID_LENGTH_MAX}}}\.*)(?=[#?{_ENDS}]|/_history/)"
).findall
Links = tuple[tuple[str, ...], int]
"""What a resource names, without repeats, first what it states or shows; and how many of it that is."""
_LINK_ALONE = frozenset({"reference", "type", "identifier", "id"})


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The elements that are context.

    Args:
        everywhere: elements of every type.
        of: elements of one type, or of a part of one ("Claim.item").
        towards: elements that are context only where they lead to one of these types.
    """

    everywhere: tuple[str, ...]
    of: dict[str, tuple[str, ...]]
    towards: dict[str, tuple[str, ...]]


@cache
def context() -> Context:
    """Return the table of the elements that are context."""
    table = resources.files(__package__).joinpath("links.toml").read_bytes()
    return msgspec.toml.decode(table, type=Context)


def links_of(type_name: str, resource: Mapping[str, Any], texts: Sequence[str]) -> Links:  # Any: JSON
    """Return what a resource names, and how many of it, from the first, it states or shows.

    Args:
        type_name: its type.
        resource: as parsed.
        texts: all its texts that hold a slash (`references.links_in`).
    """
    held: Any = resource  # Any: JSON
    shown: tuple[str, ...] = ()
    if type_name == "Binary":
        held = resource.get("securityContext")
        texts = _texts(held)
    elif type_name == "Bundle":
        shown = tuple(_entries(resource))
    found = _names(texts)
    if not found and not shown:
        return (), 0
    around = _names_around(type_name, held, found) if type(held) is dict else []
    if not shown and len(around) == len(found):
        return tuple(dict.fromkeys(found)), 0
    stated = dict.fromkeys((*shown, *(Counter(found) - Counter(around))))
    return tuple(dict.fromkeys((*stated, *around))), len(stated)


def _names(texts: Sequence[str]) -> list[str]:
    """Return the names in texts, each as often as it occurs."""
    if not texts:
        return []
    joined = '"'.join(texts)
    if len(joined) > WORD_LENGTH_MAX:
        joined = '"'.join(word for word in _WORDS(joined) if "/" in word and len(word) <= WORD_LENGTH_MAX)
    found: list[str] = _NAMES(f'"{joined}"')
    names: list[str] = []
    for name in found:
        if name[: name.index("/")] in _named_types():
            names += (name,) if name[-1] != "." else _ended(name)
    return names


def _ended(name: str) -> list[str]:
    """Return the name, and the one before the full stop of a sentence."""
    type_name, _, identity = name.partition("/")
    readings = dict.fromkeys((identity, identity.rstrip(".")))
    return [f"{type_name}/{one}" for one in readings if is_fhir_id(one)]


@cache
def _named_types() -> frozenset[str]:
    return frozenset(resource_types()) - IN_NO_RECORD - {"Patient"}


def _entries(bundle: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of what a Bundle holds, Patients too."""
    stack: list[Any] = [bundle]
    while stack:
        current = stack.pop()
        if type(current) is dict:
            entry = current.get("resource")
            if type(entry) is dict:
                kind, identity = entry.get("resourceType"), entry.get("id")
                if _is_named(kind) and isinstance(identity, str) and is_fhir_id(identity):
                    yield f"{kind}/{identity}"
            stack.extend(current.values())
        elif type(current) is list:
            stack.extend(current)


def _is_named(kind: Any) -> bool:
    return isinstance(kind, str) and (kind == "Patient" or kind in _named_types())


def _names_around(type_name: str, resource: dict[str, Any], found: list[str]) -> list[str]:
    """Return those of the names found that stand in elements of context and say no more than the link."""
    around: list[str] = []
    others: list[str] = []
    known = found if len(found) < 8 else frozenset(found)
    for element in _context_in(type_name, resource):
        alone = element.get("reference") if type(element) is dict and len(element) == 1 else None
        if type(alone) is str and alone in known:
            around.append(alone)
        else:
            others += _bare_texts(element)
    if others:
        around += _names(others)
    for element, targets in context().towards.items():
        if element in resource:
            names = _names(_bare_texts(resource[element]))
            around += [name for name in names if name.partition("/")[0] in targets]
    return around


def _context_in(type_name: Any, resource: dict[str, Any]) -> list[Any]:
    """Return the elements of context of a resource, and of the entries of a Bundle."""
    known = isinstance(type_name, str) and type_name in resource_types()
    elements, parts = _context_of(type_name if known else "")
    found = [element for key, element in resource.items() if key in elements]
    for part, key in parts:
        held = resource.get(part)
        items = held if type(held) is list else [held]
        found += [item[key] for item in items if type(item) is dict and key in item]
    if type_name == "Bundle":
        for entry in items_of(resource.get("entry")):
            inner = entry.get("resource") if type(entry) is dict else None
            if type(inner) is dict:
                found += _context_in(inner.get("resourceType"), inner)
    return found


@cache
def _context_of(type_name: str) -> tuple[frozenset[str], tuple[tuple[str, str], ...]]:
    """Return the elements of context of a type, and those of its parts as (part, element)."""
    table = context()
    parts = [
        (place.partition(".")[2], element)
        for place, elements in table.of.items()
        if place.startswith(f"{type_name}.")
        for element in elements
    ]
    return frozenset((*table.everywhere, *table.of.get(type_name, ()))), tuple(parts)


def _texts(value: Any) -> list[str]:
    """Return the texts with a slash in a value."""
    return links_in([value])[2]


def _bare_texts(value: Any) -> list[str]:
    """Return the texts with a slash in an element, but for references that hold more than a link."""
    found = []
    stack = [value]
    while stack:
        current = stack.pop()
        if type(current) is str:
            if "/" in current:
                found.append(current)
        elif type(current) is list:
            stack.extend(current)
        elif type(current) is dict and not ("reference" in current and current.keys() - _LINK_ALONE):
            stack.extend(current.values())
    return found
