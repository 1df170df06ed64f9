"""Which kinds of entries there are, and which one reads an entry."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from salus.standards.cda import entries as folder
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import STATEMENTS, Entry, is_about_another
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section

PLANNED = frozenset({"INT", "RQO", "PRP", "PRMS", "ARQ", "APT", "SLOT"})
_NEVER_DENIED = frozenset({"encounters", "goals", "laboratory", "media", "studies"})
_BY_ELEMENT = {
    "observation": "observations", "organizer": "observations", "substanceAdministration": "medications",
    "procedure": "procedures", "encounter": "encounters", "observationMedia": "media", "act": "acts",
    "supply": "devices",
}  # fmt: skip


@cache
def kinds() -> dict[str, Entry]:
    """Return every kind of this folder by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    modules = (importlib.import_module(f"{folder.__name__}.{name}") for name in names)
    found = (module.ENTRY for module in modules if hasattr(module, "ENTRY"))
    return {entry.name: entry for entry in found}


def read_entry(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return References to what is made of a statement, none where nothing is: it then counts as dropped."""
    kind = kind_of(node, section)
    if kind is not None and kind.name != "family-history" and is_about_another(node):
        reason = "it is about another than the patient (subject), and never said as the patient's own"
        conversion.account.drop(node.path(), reason)
        return []
    if kind is not None and _is_denied_as_a_whole(node, kind.name):
        reason = "it is denied as a whole, and never said as if it were not"
        conversion.account.drop(node.path(), reason)
        return []
    return kind.read(node, section, conversion) if kind is not None else []


def _is_denied_as_a_whole(node: Node, kind: str) -> bool:
    """Return whether a statement is denied that FHIR has no denial for: a concern, a group, a visit."""
    if node.peek("negationInd") != "true":
        return False
    holds = node.name == "act" and node.first("entryRelationship") is not None
    return kind in _NEVER_DENIED or (holds and kind not in ("procedures", "plans"))


def kind_of(node: Node, section: Section) -> Entry | None:
    """Return the kind of an entry: by its template, its mood, its section, or its element."""
    if node.name not in STATEMENTS or node.peek("nullFlavor"):
        return None
    templates, mood = node.templates(), node.peek("moodCode")
    for kind in kinds().values():
        if kind.templates & templates and node.name in kind.elements:
            return kind
    if mood == "GOL":
        return kinds()["goals"]
    if mood in PLANNED and node.name in ("observation", "procedure", "act", "encounter", "supply"):
        own = kinds().get(section.entry)
        if own is None or own.name not in ("prescriptions", "dispensations"):
            return kinds()["plans"]
    own = kinds().get(section.entry)
    if own is not None and node.name in own.elements:
        return own
    found = _BY_ELEMENT.get(node.name)
    return kinds()[found] if found else None


def inside(node: Node) -> list[Node]:
    """Return the statements that an <entry> or <component> holds."""
    return [child for child in node.children if child.name in STATEMENTS]
